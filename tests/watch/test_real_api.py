"""Against the API itself, on a real database."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from graphql_api.app import create_app
from graphql_api.live.wire import UVICORN_OPTIONS
from tests.graphql_api.live.harness import NOON, World, make_world
from tests.watch.following import Following, follow_to_the_end, following
from tocsin.database import Pool
from tocsin.doorbell import Doorbell
from tocsin.services.partitions import ensure_partitions
from tocsin.settings import Servers, Settings
from tocsin.watch.errors import WatchError


@pytest.fixture
async def world(owner: asyncpg.Connection, engine_pool: Pool, servers: Servers) -> AsyncIterator[World]:
    await ensure_partitions(owner, NOON)
    async with Doorbell(servers.redis_url) as doorbell:
        yield await make_world(owner, engine_pool, doorbell, "acme")


class RealApi:
    """The application on a server of its own."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        for connection in self._server.server_state.connections:
            assert isinstance(connection, WebSocketsSansIOProtocol)
            connection.transport.abort()


@pytest.fixture
async def api(database_url: str, servers: Servers) -> AsyncIterator[RealApi]:
    app = create_app(Settings(Servers(database_url, servers.redis_url)))
    options = {**UVICORN_OPTIONS, "lifespan": "off", "log_config": None, "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(app, port=0, **options)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    async with app.router.lifespan_context(app):
        await server.startup()
        yield RealApi(server)
        await server.shutdown()


async def test_the_checks_are_loaded(api: RealApi, world: World) -> None:
    async with following(api.url, world.reading_token) as watched:
        shown = [(check.named, check.status, check.kind) for check in watched.state.checks.values()]
        assert shown == [
            ((world.check(0), "site 0", "check 0"), "UP", "tcp"),
            ((world.check(1), "site 1", "check 1"), "UP", "tcp"),
        ]
        assert watched.state.organization == "acme"


async def test_results_of_the_past_are_loaded(api: RealApi, world: World) -> None:
    slots = await world.report(count=30)
    async with following(api.url, world.token) as watched:
        loaded = watched.state.checks[world.check(0)].results
        assert [result.slot.isoformat() for result in loaded] == slots[-20:]


async def test_a_target_that_goes_down_is_shown_with_its_incident(api: RealApi, world: World) -> None:
    async with following(api.url, world.token) as watched:
        await world.go_down()
        await watched.until(lambda: watched.state.checks[world.check(0)].incident is not None)
        await watched.until(lambda: watched.state.changes[0].to == "DOWN")


async def test_who_is_cut_off_twenty_times_misses_nothing(api: RealApi, world: World) -> None:
    slots: list[str] = []
    async with following(api.url, world.token) as watched:
        for number in range(20):
            slots += await world.report(check=number % 2, count=3)
            api.cut()
            slots += await world.report(count=2)
            await watched.until(lambda: watched.state.away is not None)
            await watched.until(lambda: watched.state.away is None)
        await watched.until(lambda: len(watched.slots) == len(slots))
        assert watched.slots == slots


async def test_when_events_are_no_longer_kept_everything_is_loaded_anew(
    api: RealApi, world: World, owner: asyncpg.Connection
) -> None:
    async with following(api.url, world.token) as watched:
        await world.report()
        await watched.until(lambda: len(watched.slots) == 1)
        slots = await world.report(count=3, ring=False)
        await owner.execute("DELETE FROM events")
        api.cut()
        await watched.until(lambda: shown(watched, world)[-3:] == slots)


def shown(watched: Following, world: World) -> list[str]:
    return [result.slot.isoformat() for result in watched.state.checks[world.check(0)].results]


async def test_a_token_of_nobody_is_refused(api: RealApi) -> None:
    with pytest.raises(WatchError, match="refuses the token"):
        await follow_to_the_end(api.url, "tocsin_wrong")


async def test_another_path_of_the_api_is_named_as_wrong(api: RealApi, world: World) -> None:
    with pytest.raises(WatchError, match=r"Tocsin's API has the path /graphql"):
        await follow_to_the_end(f"{api.url}/nope", world.reading_token)
