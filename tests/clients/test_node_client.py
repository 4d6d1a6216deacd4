"""npm's graphql-ws on Node against the API."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from graphql_api.ids import key_of
from tests.clients.node import node_client
from tests.graphql_api.live.harness import NOON, Api, World, make_world, run_api
from tests.line import Line
from tocsin.database import Pool
from tocsin.doorbell import Doorbell
from tocsin.services.partitions import ensure_partitions
from tocsin.settings import Servers

CHECK = {"target": {"tcp": {"host": "127.0.0.1", "port": 9}}, "intervalSeconds": 1}
INTERRUPTIONS = 20


@pytest.fixture
async def world(owner: asyncpg.Connection, engine_pool: Pool, servers: Servers) -> AsyncIterator[World]:
    await ensure_partitions(owner, NOON)
    async with Doorbell(servers.redis_url) as doorbell:
        yield await make_world(owner, engine_pool, doorbell, "acme")


@pytest.fixture
async def api(api_orm: None, world: World) -> AsyncIterator[Api]:
    async with run_api(world.doorbell) as api:
        yield api


@pytest.fixture
async def line(api: Api) -> AsyncIterator[Line]:
    line = Line(api.url)
    await line.mend()
    yield line
    line.cut()


async def test_a_client_that_is_cut_off_twenty_times_misses_nothing(world: World, line: Line) -> None:
    async with node_client(f"http://127.0.0.1:{line.port}", world.token, CHECK) as client:
        await client.until_made()
        world.check_ids[0] = key_of("check", client.made["check"]) or 0
        slots: list[str] = []
        for interruption in range(INTERRUPTIONS):
            slots += await world.report(count=3)
            await client.until("checkResults", len(slots) - 2 * (interruption % 2))
            line.interrupt()
            slots += await world.report()
        await world.go_down()
        await world.come_back()
        results = await client.until("checkResults", len(slots))
        changes = await client.until("statusChanges", 2)
        events = await client.until("incidentEvents", 2)
        await client.until_connected(INTERRUPTIONS + 1)
        assert [event["result"]["slot"] for event in results] == slots
        assert [(change["from"], change["to"]) for change in changes] == [("UP", "DOWN"), ("DOWN", "UP")]
        assert [event["kind"] for event in events] == ["OPENED", "RESOLVED"]
        assert client.connections == INTERRUPTIONS + 1
