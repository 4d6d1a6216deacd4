"""Real servers for every test: PostgreSQL and Valkey once a session, a database of its own for each test."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tocsin.database import Connection, Pool, Role, open_pool, orm
from tocsin.embedded import embedded_servers
from tocsin.migrate import migrate
from tocsin.settings import Servers

TEMPLATE = "tocsin_template"

pytest_plugins = ["tests.servers.plugin"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it is asked for."""
    if not config.option.markexpr:
        soaks = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaks)
        items[:] = [item for item in items if item not in soaks]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers that `TEST_DATABASE_URL` and `TEST_REDIS_URL` name, or embedded ones."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield Servers(url, os.environ["TEST_REDIS_URL"])
        return
    folder: Path = tmp_path_factory.mktemp("servers")
    with embedded_servers(folder, fast=True) as embedded:
        yield Servers(embedded.database_url, embedded.redis_url)


@pytest.fixture(scope="session")
def template_database(servers: Servers) -> str:
    """The name of a migrated database that each test's own is copied from."""
    asyncio.run(_make_template(servers.database_url))
    return TEMPLATE


async def _make_template(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    await migrate(with_database(database_url, TEMPLATE))


def with_database(database_url: str, name: str) -> str:
    """The same server and user, another database."""
    head, _, query = database_url.partition("?")
    return head.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")


@pytest.fixture
async def database_url(servers: Servers, template_database: str) -> AsyncIterator[str]:
    """A migrated database for one test."""
    name = f"tocsin_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield with_database(servers.database_url, name)
    await drop_database(connection, name)
    await connection.close()


async def drop_database(connection: Connection, name: str) -> None:
    """Drop a database with whoever is still in it."""
    for _ in range(50):
        try:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        except asyncpg.InsufficientPrivilegeError:
            # PostgreSQL is vacuuming there by itself, which only a superuser may end.
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail(f"{name} could not be dropped")


@pytest.fixture
async def engine_pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections in the engine's role."""
    async with await open_pool(database_url, Role.ENGINE) as pool:
        yield pool


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """A connection with the rights of the migrator, for what tests arrange and inspect."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def operator_orm(database_url: str) -> AsyncIterator[None]:
    """Tortoise in the operator's role."""
    async with orm(database_url, Role.OPERATOR):
        yield


@pytest.fixture
async def api_orm(database_url: str) -> AsyncIterator[None]:
    """Tortoise in the API's role, as the API's processes open it."""
    async with orm(database_url, Role.API):
        yield
