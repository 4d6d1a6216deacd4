"""Servers of their own for tests that kill them, and a database for each test."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import TEMPLATE, with_database
from tests.embedded.conftest import open_folder
from tests.engine.harness import Platform, Target, ended, http_target
from tests.services.conftest import connection, make_check, organization
from tocsin.embedded import EmbeddedServers, embedded_servers
from tocsin.migrate import migrate

__all__ = ["connection", "make_check", "organization"]


@pytest.fixture(scope="session")
def killable_servers() -> Iterator[EmbeddedServers]:
    with open_folder() as folder, embedded_servers(folder, fast=True) as servers:
        asyncio.run(_make_template(servers.database_url))
        yield servers


async def _make_template(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    await migrate(with_database(database_url, TEMPLATE))


@pytest.fixture
async def platform(killable_servers: EmbeddedServers, tmp_path: Path) -> AsyncIterator[Platform]:
    """A platform without checks and processes. Whatever a test did to the servers, the next one finds them running."""
    for server in (killable_servers.postgres, killable_servers.valkey):
        if not server.is_running():
            server.start()
    name = f"tocsin_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(killable_servers.database_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    await connection.close()
    with ended(Platform(killable_servers, with_database(killable_servers.database_url, name), tmp_path)) as made:
        await made.prepare()
        yield made


@pytest.fixture
async def target() -> AsyncIterator[tuple[int, type[Target]]]:
    async with http_target() as served:
        yield served
