"""The daily partitions of results: made ahead, and dropped when their day is no longer kept.

`ensure_partitions` and `drop_partitions` work on a connection with the migrator's rights, outside any transaction, from
several processes at once. Whoever writes results meanwhile is not blocked: a partition comes by ATTACH and leaves by
DETACH CONCURRENTLY. Neither waits long for a lock: asyncpg.LockNotAvailableError is raised, and the next call goes on
from there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from tocsin.database import Connection

_DAY: Final = timedelta(days=1)
# Yesterday too: after a start at midnight, slots from just before it are still caught up with.
_DAYS_AROUND: Final = range(-1, 4)
# Any numbers: whoever has the one makes partitions, whoever has the other drops them.
_MAKING_LOCK: Final = 7_408_268
_DROPPING_LOCK: Final = 7_408_269

_TABLES = """
SELECT c.relname AS name, i.inhrelid IS NOT NULL AS attached, coalesce(i.inhdetachpending, false) AS leaving
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^results_[0-9]{8}$'
ORDER BY c.relname
"""
# Without policies, row-level security shows nothing to whoever was granted a partition by mistake.
_CREATE = """
CREATE TABLE IF NOT EXISTS {name} (LIKE results INCLUDING ALL, CHECK (slot >= '{start}' AND slot < '{end}'));
ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
ALTER TABLE results ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}');
"""
# A frozen process loses its session, and so its locks.
_HURRY = "SET lock_timeout = '1s'; SET idle_session_timeout = '10s'; SET idle_in_transaction_session_timeout = '2s'"
_REST = "RESET lock_timeout; RESET idle_session_timeout; RESET idle_in_transaction_session_timeout"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table for one day of results. While it is `leaving`, a detach was begun and not ended."""

    name: str
    attached: bool
    leaving: bool

    @property
    def day(self) -> date:
        return datetime.strptime(self.name.removeprefix("results_"), "%Y%m%d").replace(tzinfo=UTC).date()


async def ensure_partitions(connection: Connection, now: datetime) -> list[date]:
    """Make what is missing from yesterday to three days ahead, by days in UTC; return the days that were made."""
    today = now.astimezone(UTC).date()
    attached = await partition_days(connection)
    missing = [day for day in (today + n * _DAY for n in _DAYS_AROUND) if day not in attached]
    async with _hurried(connection):
        return [day for day in missing if await make_partition(connection, day)]


async def drop_partitions(connection: Connection, before: date) -> list[date]:
    """Drop the days before `before`, and end detaches that were begun; return the days that were dropped.

    Nothing is done while another process is at it.
    """
    async with _hurried(connection):
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _DROPPING_LOCK):
            return []
        try:
            return await _drop(connection, before)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _DROPPING_LOCK)


async def make_partition(connection: Connection, day: date) -> bool:
    """Make a day's partition; False where there is one."""
    start, end = (datetime.combine(edge, time(), UTC).isoformat() for edge in (day, day + _DAY))
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MAKING_LOCK)
        if day in await partition_days(connection):
            return False
        await connection.execute(_CREATE.format(name=f"results_{day:%Y%m%d}", start=start, end=end))
        return True


async def _drop(connection: Connection, before: date) -> list[date]:
    tables = await _tables(connection)
    # Only one partition at a time can be leaving.
    for table in sorted(tables, key=lambda table: not table.leaving):
        if table.leaving:
            await connection.execute(f"ALTER TABLE results DETACH PARTITION {table.name} FINALIZE")
        elif table.attached and table.day < before:
            await connection.execute(f"ALTER TABLE results DETACH PARTITION {table.name} CONCURRENTLY")
    expired = [table for table in tables if table.day < before]
    for table in expired:
        await connection.execute(f"DROP TABLE {table.name}")
    return [table.day for table in expired]


async def partition_days(connection: Connection) -> set[date]:
    """The days that have a partition."""
    return {table.day for table in await _tables(connection) if table.attached}


async def _tables(connection: Connection) -> list[_Table]:
    return [_Table(**row) for row in await connection.fetch(_TABLES)]


@asynccontextmanager
async def _hurried(connection: Connection) -> AsyncIterator[None]:
    await connection.execute(_HURRY)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute(_REST)
