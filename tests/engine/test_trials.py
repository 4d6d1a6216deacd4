"""`testCheck`, through the real API and a real worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from graphql_api.app import create_app
from tests.engine.harness import ORGANIZATION, Platform, eventually
from tests.engine.test_secrets import KEYS, SECRET, VARIABLE, everything_stored, forms
from tests.graphql_api.conftest import Client
from tocsin.models import TokenPermission
from tocsin.services import accounts, secrets
from tocsin.settings import Servers, Settings

TEST = """
mutation ($input: TestCheckInput!) { testCheck(input: $input) {
    __typename ... on Problem { message } ... on InvalidInput { problems { path } }
    ... on CheckTest {
        result { outcome reason message statusCode durationMs address attempts location phases { connectMs } }
        headers { name value } bodyExcerpt facts { source value } tlsVersion
        assertions { met source path operator expected actual severity } } } }
"""
ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\nX-Key: %s\r\nContent-Length: %d\r\n\r\n%s"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back the header X-Key, in a header and in JSON."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = next((line[7:] for line in head.split(b"\r\n") if line.lower().startswith(b"x-key: ")), b"")
    body = b'{"status": "down", "key": "%s"}' % key
    writer.write(ANSWER % (key, len(body), body))
    writer.close()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def client(platform: Platform) -> AsyncIterator[Client]:
    app = create_app(Settings(Servers(platform.database_url, platform.servers.redis_url)))
    async with platform.connection() as connection:
        token = await accounts.create_token(connection, ORGANIZATION, "editor", TokenPermission.FULL)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60) as http,
    ):
        yield Client(http, ORGANIZATION, token)


@pytest.fixture
async def worker(platform: Platform) -> None:
    """One that probes, as what it recorded shows."""
    platform.worker(TOCSIN_ENCRYPTION_KEYS=VARIABLE)
    alive = "SELECT true FROM locations WHERE name = 'default' AND seen_at > now() - interval '1 minute'"
    await eventually(lambda: platform.ask(alive), 20)


def target(port: int, **fields: Any) -> dict[str, Any]:
    return {"http": {"url": f"http://127.0.0.1:{port}/", **fields}}


async def tried(client: Client, target: dict[str, Any], **fields: Any) -> Any:
    return await client.data(TEST, input={"target": target, **fields})


@pytest.mark.usefixtures("worker")
async def test_all_that_was_seen_of_a_target_is_told(client: Client, platform: Platform, port: int) -> None:
    told = await tried(client, target(port))
    assert told["__typename"] == "CheckTest", told
    result = told["result"]
    assert (result["outcome"], result["statusCode"], result["address"]) == ("SUCCESS", 200, "127.0.0.1")
    assert (result["attempts"], result["location"]) == (1, "default")
    assert result["phases"]["connectMs"] > 0
    assert {"name": "Server", "value": "x"} in told["headers"]
    assert told["bodyExcerpt"] == '{"status": "down", "key": ""}'
    assert {"source": "SIZE", "value": "29"} in told["facts"]
    assert await platform.ask("SELECT count(*) FROM checks") == 0


@pytest.mark.usefixtures("worker")
async def test_each_assertion_is_told_with_its_result(client: Client, port: int) -> None:
    asserted = {
        "assertions": [
            {"source": "STATUS", "operator": "EQUALS", "value": "200"},
            {"source": "JSON", "path": "$.status", "operator": "EQUALS", "value": "up"},
        ],
        "conditions": [{"expression": "size < 10", "severity": "DEGRADED"}],
    }
    told = await tried(client, target(port, **asserted))
    assert (told["result"]["outcome"], told["result"]["reason"]) == ("FAILURE", "ASSERTION")
    met, unmet, condition = told["assertions"]
    assert (met["met"], met["source"], met["expected"], met["actual"]) == (True, "STATUS", "200", None)
    assert (unmet["met"], unmet["path"], unmet["actual"]) == (False, "$.status", '"down"')
    assert (condition["met"], condition["expected"], condition["severity"]) == (False, "size < 10", "DEGRADED")


@pytest.mark.usefixtures("worker")
async def test_what_a_probe_did_not_come_to_is_not_said_to_be_met(client: Client, unused_tcp_port: int) -> None:
    asserted = [{"source": "STATUS", "operator": "EQUALS", "value": "200"}]
    told = await tried(client, target(unused_tcp_port, assertions=asserted))
    assert told["result"]["reason"] == "CONNECT"
    assert [each["met"] for each in told["assertions"]] == [None]


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("header", [{"value": SECRET}, {"valueSecret": "api-token"}])
async def test_a_secret_reaches_the_target_and_does_not_come_back(
    client: Client, platform: Platform, port: int, header: dict[str, str]
) -> None:
    await secrets.create_secret(ORGANIZATION, KEYS, "api-token", SECRET)
    told = await tried(client, target(port, headers=[{"name": "X-Key", **header}]))
    assert told["bodyExcerpt"] == '{"status": "down", "key": "***"}'
    await platform.stop()
    stored = (await everything_stored(platform)).lower()
    assert not [form for form in forms(SECRET) if form in stored]


async def test_without_a_worker_a_test_says_so(client: Client, port: int) -> None:
    told = await tried(client, target(port), timeoutSeconds=0.5)
    assert told == {
        "__typename": "Unanswered",
        "message": "No worker at the location default answered within 2 seconds; see that one runs there.",
    }
