"""Secrets reach their target, and nothing that is stored or said."""

import asyncio
import re
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.engine.harness import ORGANIZATION, EngineProcess, Platform, eventually
from tests.probes.certificates import Authority
from tocsin.database import Role, orm
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.observations import Outcome, Reason
from tocsin.encryption import KeyRing
from tocsin.models.codes import OUTCOME_CODES, REASON_CODES
from tocsin.services import checks, runs, secrets
from tocsin.services.check_secrets import store_secret

SITE = 1
REFERENCE = "api-token/value"
SECRET, NEXT_SECRET = "Swordfish-7c1e55", "Angelfish-0b2d66"
KEY = bytes(range(32))
KEYS = KeyRing({"k1": KEY})
VARIABLE = f"k1:{b64encode(KEY).decode()}"
UNAVAILABLE = (OUTCOME_CODES[Outcome.UNKNOWN], REASON_CODES[Reason.SECRET_UNAVAILABLE])


@dataclass
class Echo:
    """Sends back the header X-Key in many ways, by path, and keeps what it was sent."""

    tls_port: int = 0
    port: int = 0
    seen: dict[str, list[str]] = field(default_factory=dict)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        sent = re.search(r"(?i)x-key: (.*)\r\n", head)
        secret = sent[1] if sent else ""
        self.seen.setdefault(path, []).append(secret)
        writer.write(self._response(path, secret).encode())
        writer.close()

    def _response(self, path: str, secret: str) -> str:
        match path:
            case "/status":
                return f"HTTP/1.1 500 {secret}\r\nX-Echo: {secret}\r\nContent-Length: {len(secret)}\r\n\r\n{secret}"
            case "/host":
                return f"HTTP/1.1 302 Found\r\nLocation: https://{secret}.localhost:{self.tls_port}/\r\n\r\n"
            case "/scheme":
                return f"HTTP/1.1 302 Found\r\nLocation: {secret}://{secret}/\r\n\r\n"
            case "/broken":
                return f"{secret} {secret}\r\n\r\n"
            case _:
                return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[Echo]:
    made = Echo()
    tls: ssl.SSLContext = Authority(tmp_path).server_context()
    secured = await asyncio.start_server(made.answer, "127.0.0.1", 0, ssl=tls)
    plain = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.tls_port, made.port = (server.sockets[0].getsockname()[1] for server in (secured, plain))
    async with secured, plain:
        yield made


@pytest.fixture
async def worker(platform: Platform, echo: Echo, tmp_path: Path) -> AsyncIterator[EngineProcess]:
    """A platform at work, and Tortoise in the operator's role."""
    platform.scheduler()
    worker = platform.worker(TOCSIN_ENCRYPTION_KEYS=VARIABLE, TOCSIN_EXTRA_CA_FILE=str(tmp_path / "ca.pem"))
    async with orm(platform.database_url, Role.OPERATOR):
        yield worker


async def make_check(echo: Echo, path: str, secret: str | None = SECRET, reference: str = REFERENCE) -> int:
    headers = [{"name": "X-Key", "value": {"secret": reference}}]
    target = {"url": f"http://127.0.0.1:{echo.port}{path}", "headers": headers}
    check_id = await checks.create_check(
        ORGANIZATION,
        SITE,
        {"name": path, "target": ("http", target), "interval_seconds": 1, "failure_threshold": 1},
    )
    if secret is not None:
        await store(check_id, secret)
    return check_id


async def store(check_id: int, value: str) -> None:
    await store_secret(ORGANIZATION, KEYS, check_id, REFERENCE, "uid/1", value)


async def everything_stored(platform: Platform) -> str:
    """Every column of every row."""
    async with platform.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [row for (table,) in tables for row in await connection.fetch(f"SELECT t::text FROM {table} t")]
    return "\n".join(row[0] for row in rows)


def forms(secret: str) -> list[str]:
    return [secret.lower(), b64encode(secret.encode()).decode().lower().rstrip("="), secret.encode().hex()]


@pytest.mark.usefixtures("worker")
async def test_what_a_target_echoes_is_nowhere(platform: Platform, echo: Echo) -> None:
    paths = ("/status", "/host", "/scheme", "/broken")
    ids = [await make_check(echo, path) for path in paths]
    opened = "SELECT count(*) >= $1 FROM incidents"
    await eventually(lambda: platform.ask(opened, len(paths)), 20)
    for check_id in ids:
        run_id, _, patience = await runs.request_run(ORGANIZATION, check_id)
        await runs.wait_for_run(ORGANIZATION, run_id, patience + runs.GRACE)
    await platform.stop()
    assert {path: set(echo.seen[path]) for path in paths} == {path: {SECRET} for path in paths}
    message = await platform.ask("SELECT message FROM results WHERE check_id = $1 LIMIT 1", ids[1])
    assert message == "the redirect leads to another origin, which must not see the URL's secret"
    stored = (await everything_stored(platform)).lower()
    said = "".join(process.said for process in platform.processes).lower()
    # What was kept of the response tells where the secret stood.
    assert "***" in stored
    assert not [form for form in forms(SECRET) if form in stored or form in said]


async def name_secret(echo: Echo, path: str, name: str) -> int:
    """A check that names a secret of the organization."""
    target = {"url": f"http://127.0.0.1:{echo.port}{path}", "headers": [{"name": "X-Key"}]}
    fields: DefinitionFields = {
        "name": path,
        "target": ("http", target),
        "secrets": [(("headers", 0, "value"), name)],
        "interval_seconds": 1,
        "failure_threshold": 1,
    }
    return await checks.create_check(ORGANIZATION, SITE, fields)


@pytest.mark.usefixtures("worker")
async def test_a_named_secret_reaches_its_target_and_nothing_else(platform: Platform, echo: Echo) -> None:
    await secrets.create_secret(ORGANIZATION, KEYS, "api-token", SECRET)
    paths = ("/status", "/host", "/scheme", "/broken")
    ids = [await name_secret(echo, path, "api-token") for path in paths]
    await eventually(lambda: platform.ask("SELECT count(*) >= $1 FROM incidents", len(paths)), 20)
    run_id, _, patience = await runs.request_run(ORGANIZATION, ids[1])
    await runs.wait_for_run(ORGANIZATION, run_id, patience + runs.GRACE)
    await platform.stop()
    assert {path: set(echo.seen[path]) for path in paths} == {path: {SECRET} for path in paths}
    stored = (await everything_stored(platform)).lower()
    said = "".join(process.said for process in platform.processes).lower()
    assert "***" in stored
    assert not [form for form in forms(SECRET) if form in stored or form in said]


@pytest.mark.usefixtures("worker")
async def test_another_value_of_a_named_secret_counts_from_the_next_batch_on(platform: Platform, echo: Echo) -> None:
    secret = await secrets.create_secret(ORGANIZATION, KEYS, "api-token", SECRET)
    await name_secret(echo, "/", "api-token")
    await eventually(lambda: asyncio.sleep(0, SECRET in echo.seen.get("/", [])), 10)
    await secrets.update_secret(ORGANIZATION, KEYS, secret, NEXT_SECRET)
    await eventually(lambda: asyncio.sleep(0, NEXT_SECRET in echo.seen["/"]), 10)
    assert echo.seen["/"][echo.seen["/"].index(NEXT_SECRET) :] == [NEXT_SECRET] * echo.seen["/"].count(NEXT_SECRET)


@pytest.mark.usefixtures("worker")
async def test_without_a_secret_that_it_names_a_target_is_not_probed(platform: Platform, echo: Echo) -> None:
    await secrets.create_secret(ORGANIZATION, KEYS, "api-token", SECRET)
    await name_secret(echo, "/", "api-token")
    async with platform.connection() as connection:
        await connection.execute("DELETE FROM secret_uses; DELETE FROM secrets")
        await eventually(lambda: platform.ask("SELECT true FROM results LIMIT 1"), 10)
        row = await connection.fetchrow("SELECT outcome, reason, message FROM results LIMIT 1")
    assert row is not None
    assert tuple(row) == (*UNAVAILABLE, "the secret api-token is not stored; make it with createSecret")
    assert echo.seen == {}


@pytest.mark.usefixtures("worker")
async def test_a_new_value_counts_from_the_next_slots_on(platform: Platform, echo: Echo) -> None:
    check_id = await make_check(echo, "/")
    await eventually(lambda: asyncio.sleep(0, SECRET in echo.seen.get("/", [])), 10)
    await store(check_id, NEXT_SECRET)
    # A batch is taken up to half a second before its tick, and probed until the end of it.
    await asyncio.sleep(2)
    echo.seen["/"].clear()
    await eventually(lambda: asyncio.sleep(0, len(echo.seen["/"]) > 2), 10)
    assert set(echo.seen["/"]) == {NEXT_SECRET}
    assert await platform.ask("SELECT count(*) FROM check_versions") == 1


@pytest.mark.usefixtures("worker")
async def test_without_its_secret_a_target_is_not_probed_and_not_blamed(platform: Platform, echo: Echo) -> None:
    check_id = await make_check(echo, "/", secret=None)
    await eventually(lambda: platform.ask("SELECT true FROM results LIMIT 1"), 10)
    async with platform.connection() as connection:
        row = await connection.fetchrow("SELECT outcome, reason, message FROM results LIMIT 1")
    assert row is not None
    assert tuple(row) == (*UNAVAILABLE, f"the secret {REFERENCE} is not stored; see the condition SecretsResolved")
    assert echo.seen == {}
    await store(check_id, SECRET)
    success = OUTCOME_CODES[Outcome.SUCCESS]
    await eventually(lambda: platform.ask("SELECT true FROM results WHERE outcome = $1 LIMIT 1", success), 10)
    assert await platform.ask("SELECT count(*) FROM incidents") == 0


@pytest.mark.usefixtures("worker")
async def test_the_longest_reference_is_told_within_the_limit(platform: Platform, echo: Echo) -> None:
    check_id = await make_check(echo, "/", secret=None, reference=f"{'n' * 253}/{'k' * 253}")
    await eventually(lambda: platform.ask("SELECT true FROM results LIMIT 1"), 10)
    run_id, _, patience = await runs.request_run(ORGANIZATION, check_id)
    run = await runs.wait_for_run(ORGANIZATION, run_id, patience + runs.GRACE)
    assert (run["outcome"], run["reason"]) == UNAVAILABLE
    assert len(run["message"]) == 500
