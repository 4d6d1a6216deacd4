"""The daily partitions of results."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from tocsin.database import Connection, Pool, Role, open_pool
from tocsin.services.partitions import drop_partitions, ensure_partitions

NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
TODAY = NOON.date()
DAY = timedelta(days=1)
AROUND_TODAY = [TODAY + n * DAY for n in range(-1, 4)]

_INSERT = """
INSERT INTO results (check_id, slot, started_at, organization_id, revision, duration_us, location_id, outcome)
VALUES (1, $1, $1, 1, 1, 1, 1, 1)
"""


async def days(connection: Connection) -> list[date]:
    rows = await connection.fetch("SELECT relname FROM pg_class WHERE relname ~ '^results_[0-9]{8}$' ORDER BY 1")
    return [datetime.strptime(row["relname"], "results_%Y%m%d").replace(tzinfo=UTC).date() for row in rows]


@asynccontextmanager
async def connections(database_url: str, count: int) -> AsyncIterator[list[asyncpg.Connection]]:
    opened = [await asyncpg.connect(database_url) for _ in range(count)]
    yield opened
    for connection in opened:
        await connection.close()


async def test_there_are_partitions_from_yesterday_to_three_days_ahead(owner: Connection) -> None:
    assert await ensure_partitions(owner, NOON) == AROUND_TODAY == await days(owner)


async def test_only_what_is_missing_is_made(owner: Connection) -> None:
    await ensure_partitions(owner, NOON)
    assert await ensure_partitions(owner, NOON) == []
    assert await ensure_partitions(owner, NOON + DAY) == [TODAY + 4 * DAY]


async def test_a_day_begins_at_midnight_in_utc(owner: Connection, engine_pool: Pool) -> None:
    await ensure_partitions(owner, NOON)
    midnight = NOON.replace(hour=0)
    for slot in (midnight, midnight - timedelta.resolution):
        await engine_pool.execute(_INSERT, slot)
    rows = await owner.fetch("SELECT tableoid::regclass::text AS name FROM results ORDER BY slot")
    assert [row["name"] for row in rows] == ["results_20260314", "results_20260315"]


async def test_processes_that_make_partitions_at_once_make_each_once(database_url: str, owner: Connection) -> None:
    async with connections(database_url, 4) as racers:
        made = await asyncio.gather(*(ensure_partitions(racer, NOON) for racer in racers))
    assert sorted(day for days_of_one in made for day in days_of_one) == AROUND_TODAY == await days(owner)


@pytest.mark.parametrize("role", Role)
async def test_no_role_may_read_a_partition(database_url: str, owner: Connection, role: Role) -> None:
    await ensure_partitions(owner, NOON)
    async with await open_pool(database_url, role, connections=1) as pool:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.fetch("SELECT * FROM results_20260315")


async def test_a_partition_that_was_granted_by_mistake_shows_nothing(
    database_url: str, owner: Connection, engine_pool: Pool
) -> None:
    await ensure_partitions(owner, NOON)
    await engine_pool.execute(_INSERT, NOON)
    await owner.execute("GRANT SELECT ON results_20260315 TO tocsin_api")
    async with await open_pool(database_url, Role.API, connections=1) as pool:
        assert await pool.fetch("SELECT * FROM results_20260315") == []


async def test_days_before_the_first_kept_one_are_dropped(owner: Connection, engine_pool: Pool) -> None:
    await ensure_partitions(owner, NOON)
    for slot in (NOON - DAY, NOON, NOON + DAY):
        await engine_pool.execute(_INSERT, slot)
    assert await drop_partitions(owner, TODAY) == [TODAY - DAY]
    assert await days(owner) == AROUND_TODAY[1:]
    assert await owner.fetchval("SELECT count(*) FROM results") == 2


async def test_a_detach_that_was_interrupted_is_ended_by_the_next_call(database_url: str, owner: Connection) -> None:
    await ensure_partitions(owner, NOON)
    async with connections(database_url, 1) as [reader]:
        async with reader.transaction():
            await reader.fetch("SELECT * FROM results")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await drop_partitions(owner, TODAY + DAY)
        assert await drop_partitions(owner, TODAY + DAY) == AROUND_TODAY[:2]
    assert await days(owner) == AROUND_TODAY[2:]


async def test_a_table_that_was_detached_and_not_dropped_is_dropped(owner: Connection) -> None:
    await ensure_partitions(owner, NOON)
    await owner.execute("ALTER TABLE results DETACH PARTITION results_20260314")
    assert await drop_partitions(owner, TODAY) == [TODAY - DAY]


async def test_processes_that_drop_at_once_drop_each_day_once(database_url: str, owner: Connection) -> None:
    await ensure_partitions(owner, NOON)
    async with connections(database_url, 4) as racers:
        dropped = await asyncio.gather(*(drop_partitions(racer, TODAY + DAY) for racer in racers))
    assert sorted(day for days_of_one in dropped for day in days_of_one) == AROUND_TODAY[:2]


async def test_the_session_keeps_the_settings_that_it_was_opened_with(database_url: str) -> None:
    async with await open_pool(database_url, None, connections=1) as pool, pool.acquire() as connection:
        before = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout'")
        await ensure_partitions(connection, NOON)
        assert await connection.fetch("SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout'") == before


async def write(pool: Pool, ended: asyncio.Event) -> float:
    """Insert one result after another; return how long the slowest took, in seconds."""
    slowest, slot = 0.0, NOON + DAY
    while not ended.is_set():
        slot += timedelta(milliseconds=1)
        began = time.monotonic()
        await pool.execute(_INSERT, slot)
        slowest = max(slowest, time.monotonic() - began)
    return slowest


async def test_nobody_who_writes_is_blocked_while_partitions_come_and_go(
    database_url: str, owner: Connection, engine_pool: Pool
) -> None:
    await ensure_partitions(owner, NOON)
    ended = asyncio.Event()
    writer = asyncio.create_task(write(engine_pool, ended))
    # A reader in a transaction makes a lock that is too strong wait, and everybody behind it.
    async with connections(database_url, 1) as [reader], reader.transaction():
        await reader.fetch("SELECT * FROM results")
        await ensure_partitions(owner, NOON + 5 * DAY)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await drop_partitions(owner, TODAY)
    assert await drop_partitions(owner, TODAY) == [TODAY - DAY]
    ended.set()
    assert await writer < 1
