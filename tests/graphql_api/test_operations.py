"""What orchestrators and Prometheus are told, also when something hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from graphql_api.operations import operation_routes
from graphql_api.request_telemetry import RequestTelemetry
from tocsin.settings import Servers, Settings

NOBODY = "redis://127.0.0.1:1"


@asynccontextmanager
async def asking(database_url: str, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async def fail(_: Request) -> Response:
        raise RuntimeError

    routes = [
        *operation_routes(Settings(Servers(database_url, redis_url))),
        Route("/graphql", lambda _: PlainTextResponse("{}", headers={"x-request-id": "r1"}), methods=["POST"]),
        Route("/graphql/stream", lambda _: PlainTextResponse("")),
        Route("/fail", fail),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(RequestTelemetry)])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture
async def client(database_url: str, servers: Servers) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(database_url, servers.redis_url) as client:
        yield client


@pytest.fixture
async def planned(owner: asyncpg.Connection) -> None:
    await owner.execute("INSERT INTO ticks (at) VALUES (date_trunc('second', now()))")


async def readiness(client: httpx.AsyncClient) -> tuple[int, dict[str, Any]]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def unready(client: httpx.AsyncClient, part: str) -> str:
    """What is said of the only part that is not ready."""
    status, body = await readiness(client)
    assert (status, body["state"], body["notReady"]) == (503, "not ready", [part])
    message: str = body["parts"][part]["message"]
    return message


async def test_a_process_that_answers_lives(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.usefixtures("planned")
async def test_a_platform_that_plans_is_ready(client: httpx.AsyncClient) -> None:
    status, body = await readiness(client)
    assert (status, body["state"], body["notReady"]) == (200, "ready", [])
    assert set(body["parts"]) == {"database", "migrations", "scheduler", "worker", "clock", "redis"}


async def test_a_scheduler_that_never_planned_is_named(client: httpx.AsyncClient) -> None:
    assert await unready(client, "scheduler") == "no tick was ever planned; check that a scheduler runs"


async def test_a_scheduler_that_stopped_is_named(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    await owner.execute("INSERT INTO ticks (at) VALUES (date_trunc('second', now()) - interval '1 minute')")
    assert (await unready(client, "scheduler")).startswith("no tick was planned for 6")


@pytest.mark.usefixtures("planned")
async def test_workers_that_take_nothing_are_named(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    await owner.execute(
        "WITH made AS (INSERT INTO batches (tick_at, location_id, check_ids, revisions, offsets_ms) "
        "VALUES (now() - interval '9 seconds', 1, '{1}', '{1}', '{0}') RETURNING id) "
        "INSERT INTO batch_leases (batch_id) SELECT id FROM made"
    )
    assert (await unready(client, "worker")).startswith("nobody took what was due 9 s ago")


@pytest.mark.usefixtures("planned")
async def test_missing_migrations_are_named(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    await owner.execute("DELETE FROM aerich")
    assert await unready(client, "migrations") == "not applied: 0_20261121000000_init.py; run `tocsin migrate`"


@pytest.mark.usefixtures("planned")
async def test_migrations_of_a_newer_version_are_no_obstacle(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    await owner.execute("INSERT INTO aerich (version, app, content) VALUES ('9_later.py', 'models', '{}')")
    assert (await readiness(client))[0] == 200


async def test_a_clock_that_was_set_back_is_said(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    await owner.execute("INSERT INTO ticks (at) VALUES (date_trunc('second', now()) + interval '1 hour')")
    status, body = await readiness(client)
    assert (status, body["state"]) == (200, "degraded")
    assert body["parts"]["clock"]["message"].startswith("the database's clock was set back")


@pytest.mark.usefixtures("planned")
async def test_a_redis_that_is_away_makes_nothing_unready(database_url: str) -> None:
    async with asking(database_url, NOBODY) as client:
        status, body = await readiness(client)
    assert (status, body["state"], body["notReady"]) == (200, "degraded", [])
    assert body["parts"]["redis"]["state"] == "degraded"


async def test_a_database_that_is_away_is_named_without_its_address(servers: Servers) -> None:
    async with asking("postgresql://tocsin:swordfish@127.0.0.1:1/tocsin", servers.redis_url) as client:
        message = await unready(client, "database")
    assert message == "the database does not answer (ConnectionRefusedError); check that it runs"


@asynccontextmanager
async def silence() -> AsyncIterator[int]:
    """A server that accepts connections and never says a word."""
    opened: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in opened:
            writer.close()


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
async def test_servers_that_hang_hold_up_nobody_for_two_seconds(path: str) -> None:
    async with silence() as port, asking(f"postgresql://t@127.0.0.1:{port}/t", f"redis://127.0.0.1:{port}") as client:
        async with asyncio.timeout(2):
            await asyncio.gather(*(client.get(path) for _ in range(20)))


@pytest.mark.usefixtures("planned")
async def test_whoever_asks_at_once_costs_one_connection(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = []
    connect = asyncpg.connect

    async def count(*arguments: Any, **options: Any) -> Any:
        connections.append(await connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(asyncpg, "connect", count)
    await asyncio.gather(*(client.get("/readyz") for _ in range(50)))
    assert len(connections) == 1


@pytest.mark.usefixtures("planned")
async def test_the_metrics_tell_of_the_ledger_and_of_requests(client: httpx.AsyncClient) -> None:
    await client.post("/graphql")
    text = (await client.get("/metrics")).text
    assert 'tocsin_ready{part="scheduler"} 1.0' in text
    assert "tocsin_newest_tick_age_seconds " in text
    assert "tocsin_undone_batches 0.0" in text
    assert 'tocsin_api_requests_total{method="POST",path="/graphql",status="200"} ' in text


async def test_streams_of_events_are_counted_by_themselves(client: httpx.AsyncClient) -> None:
    await client.get("/graphql/stream")
    text = (await client.get("/metrics")).text
    assert 'tocsin_api_requests_total{method="GET",path="/graphql/stream",status="200"} ' in text


async def test_paths_and_methods_that_strangers_make_up_are_counted_together(client: httpx.AsyncClient) -> None:
    await client.request("SWORDFISH", "/swordfish")
    text = (await client.get("/metrics")).text
    assert 'tocsin_api_requests_total{method="other",path="other",status="404"} ' in text
    assert "swordfish" not in text.lower()


async def test_a_request_is_logged_with_its_id_and_without_its_query(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.post("/graphql?query=swordfish")
    assert [(entry["path"], entry["status"], entry["request_id"]) for entry in logs] == [("/graphql", 200, "r1")]
    assert "swordfish" not in str(logs)


async def test_a_request_that_crashes_is_counted(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        assert (await client.get("/fail")).status_code == 500
    assert [entry["status"] for entry in logs] == [500]


async def test_the_questions_of_orchestrators_are_not_logged(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get("/healthz")
    assert logs == []
