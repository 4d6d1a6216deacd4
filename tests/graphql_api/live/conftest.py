from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.graphql_api.live.harness import NOON, Api, World, make_world, run_api
from tocsin.database import Pool
from tocsin.doorbell import Doorbell
from tocsin.services.partitions import ensure_partitions
from tocsin.settings import Servers


@pytest.fixture
async def doorbell(servers: Servers) -> AsyncIterator[Doorbell]:
    async with Doorbell(servers.redis_url) as doorbell:
        yield doorbell


@pytest.fixture
async def world(owner: asyncpg.Connection, engine_pool: Pool, doorbell: Doorbell) -> World:
    await ensure_partitions(owner, NOON)
    return await make_world(owner, engine_pool, doorbell, "acme")


@pytest.fixture
async def other_world(world: World, owner: asyncpg.Connection, engine_pool: Pool, doorbell: Doorbell) -> World:
    return await make_world(owner, engine_pool, doorbell, "globex")


@pytest.fixture
async def api(api_orm: None, doorbell: Doorbell) -> AsyncIterator[Api]:
    async with run_api(doorbell) as api:
        yield api
