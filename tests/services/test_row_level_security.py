"""What the roles may see."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tocsin.database import Connection, Role, open_pool


async def _tables(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [row["tablename"] for row in rows]


async def _fill(owner: asyncpg.Connection) -> None:
    await owner.execute("INSERT INTO organizations (id, name) VALUES (1, 'one'), (2, 'two')")
    await owner.execute("INSERT INTO sites (id, organization_id, name) VALUES (1, 1, 'a'), (2, 2, 'b')")


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Connection]:
    async with await open_pool(database_url, Role.API) as pool, pool.acquire() as connection:
        yield connection


async def test_the_api_sees_no_row_of_any_table_without_an_organization(
    api: Connection, owner: asyncpg.Connection
) -> None:
    await _fill(owner)
    for table in await _tables(owner):
        try:
            assert table == "locations" or await api.fetch(f"SELECT * FROM {table} LIMIT 1") == []
        except asyncpg.InsufficientPrivilegeError:
            continue


async def test_the_api_sees_one_organization_in_a_transaction(api: Connection, owner: asyncpg.Connection) -> None:
    await _fill(owner)
    async with api.transaction():
        await api.execute("SELECT set_config('tocsin.organization_id', '2', true)")
        assert [row["name"] for row in await api.fetch("SELECT name FROM sites")] == ["b"]
    assert await api.fetch("SELECT name FROM sites") == []


async def test_the_api_cannot_write_into_another_organization(api: Connection, owner: asyncpg.Connection) -> None:
    await _fill(owner)
    async with api.transaction():
        await api.execute("SELECT set_config('tocsin.organization_id', '2', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.execute("INSERT INTO sites (organization_id, name) VALUES (1, 'c')")


async def test_nobody_has_grants_on_partitions_or_rights_beyond_their_own(owner: asyncpg.Connection) -> None:
    rights = await owner.fetch("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'tocsin%'")
    assert not any(row["rolsuper"] or row["rolbypassrls"] for row in rights)


async def test_every_table_has_row_level_security(owner: asyncpg.Connection) -> None:
    open_tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        " AND NOT relrowsecurity AND relispartition IS FALSE ORDER BY 1"
    )
    assert [row["relname"] for row in open_tables] == ["aerich", "locations"]
