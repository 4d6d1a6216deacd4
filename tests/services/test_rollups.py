"""Hourly rollups of results."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tocsin.database import Connection, Pool
from tocsin.domain.latency import BOUNDARIES, BUCKETS, MICROSECOND, bucket_of, unpack
from tocsin.domain.observations import Outcome
from tocsin.models.codes import OUTCOME_CODES
from tocsin.services.partitions import ensure_partitions
from tocsin.services.rollups import hour_of, mark_hours, roll_up, rollup_hour

NOON = datetime(2025, 3, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
# When the hour from noon on is due.
DUE = NOON + HOUR + 2 * MINUTE

_INSERT = """
INSERT INTO results (check_id, slot, started_at, organization_id, revision, duration_us, location_id, outcome)
VALUES ($1, $2, $2, 1, 1, $3, $4, $5)
"""


@pytest.fixture(autouse=True)
async def at_noon(owner: Connection) -> None:
    """All was rolled up until noon."""
    await ensure_partitions(owner, NOON)
    await owner.execute("UPDATE rollup_progress SET rolled_up_to = $1", NOON)


async def add(
    connection: Connection,
    slot: datetime = NOON,
    outcome: Outcome = Outcome.SUCCESS,
    *,
    check_id: int = 1,
    location_id: int = 1,
    duration_us: int = 40_000,
) -> None:
    await connection.execute(_INSERT, check_id, slot, duration_us, location_id, OUTCOME_CODES[outcome])


async def rollup(connection: Connection, hour: datetime = NOON) -> asyncpg.Record:
    row = await connection.fetchrow("SELECT *, histogram::text AS digits FROM results_hourly WHERE hour = $1", hour)
    assert row is not None
    return row


async def test_an_hour_is_rolled_up_two_minutes_after_its_end(connection: Connection, owner: Connection) -> None:
    await add(owner)
    assert await roll_up(connection, DUE - timedelta.resolution) == []
    assert await roll_up(connection, DUE) == [NOON]
    assert (await rollup(owner))["successes"] == 1


async def test_an_hour_is_rolled_up_once(connection: Connection) -> None:
    await roll_up(connection, DUE)
    assert await roll_up(connection, DUE + MINUTE) == []


async def test_after_a_pause_every_hour_is_caught_up_with(connection: Connection) -> None:
    assert await roll_up(connection, DUE + 48 * HOUR) == [NOON + n * HOUR for n in range(49)]


async def test_every_outcome_is_counted_and_only_probes_have_a_latency(
    connection: Connection, owner: Connection
) -> None:
    for minute, outcome in enumerate(Outcome):
        await add(owner, NOON + minute * MINUTE, outcome, duration_us=1000)
    await roll_up(connection, DUE)
    row = await rollup(owner)
    assert [row[name] for name in ("successes", "degraded", "failures", "missed", "unknown")] == [1] * 5
    assert (row["duration_sum_us"], sum(unpack(row["digits"]))) == (3000, 3)


async def test_an_hour_has_its_first_slot_and_not_that_of_the_next(connection: Connection, owner: Connection) -> None:
    for slot in (NOON - timedelta.resolution, NOON, NOON + HOUR - timedelta.resolution, NOON + HOUR):
        await add(owner, slot)
    await roll_up(connection, DUE)
    assert (await rollup(owner))["successes"] == 2


async def test_checks_and_locations_are_rolled_up_apart(connection: Connection, owner: Connection) -> None:
    for check_id, location_id in ((1, 1), (1, 2), (2, 1)):
        await add(owner, check_id=check_id, location_id=location_id)
    await roll_up(connection, DUE)
    rows = await owner.fetch("SELECT check_id, location_id, successes FROM results_hourly ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [(1, 1, 1), (1, 2, 1), (2, 1, 1)]


async def test_postgresql_counts_in_the_same_buckets_as_the_domain(connection: Connection, owner: Connection) -> None:
    chance = random.Random(7)
    durations = [0, *(edge + shift for edge in BOUNDARIES for shift in (-1, 0, 1)), 2**31 - 1]
    durations += [round(10 ** chance.uniform(0, 8.5)) for _ in range(500)]
    slots = [NOON + n * timedelta(seconds=1) for n in range(len(durations))]
    await owner.executemany(
        _INSERT, [(1, slot, duration, 1, 1) for slot, duration in zip(slots, durations, strict=True)]
    )
    await roll_up(connection, DUE)
    counts = Counter(bucket_of(duration * MICROSECOND) for duration in durations)
    assert unpack((await rollup(owner))["digits"]) == [counts[bucket] for bucket in range(BUCKETS)]


async def test_rolling_up_again_replaces_the_sums(connection: Connection, owner: Connection) -> None:
    await add(owner)
    await rollup_hour(connection, NOON)
    first = await rollup(owner)
    await rollup_hour(connection, NOON)
    assert await rollup(owner) == first
    await add(owner, NOON + MINUTE, Outcome.FAILURE)
    await rollup_hour(connection, NOON)
    assert (await rollup(owner))["failures"] == 1


async def test_an_hour_with_a_late_result_is_rolled_up_again_once(connection: Connection, owner: Connection) -> None:
    await roll_up(connection, DUE)
    async with connection.transaction():
        await add(connection)
        await mark_hours(connection, {hour_of(NOON)})
        await mark_hours(connection, set())
    assert await roll_up(connection, DUE + MINUTE) == [NOON]
    assert await roll_up(connection, DUE + MINUTE) == []
    assert (await rollup(owner))["successes"] == 1


async def test_a_late_result_that_is_not_yet_committed_is_rolled_up_later(
    connection: Connection, owner: Connection, engine_pool: Pool
) -> None:
    await mark_hours(connection, [NOON])
    async with engine_pool.acquire() as writer:
        async with writer.transaction():
            await add(writer)
            await mark_hours(writer, [NOON])
            assert await roll_up(connection, DUE) == [NOON]
        assert await roll_up(connection, DUE) == [NOON]
    assert (await rollup(owner))["successes"] == 1


async def test_the_progress_passes_no_hour_that_another_process_is_at(
    connection: Connection, owner: Connection, engine_pool: Pool
) -> None:
    async with engine_pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(7408270)")
        assert await roll_up(connection, DUE + HOUR) == []
    assert await owner.fetchval("SELECT rolled_up_to FROM rollup_progress") == NOON


async def test_several_processes_at_once_roll_up_all(owner: Connection, engine_pool: Pool) -> None:
    for hour in range(5):
        await add(owner, NOON + hour * HOUR)
    await asyncio.gather(*(_roll_up(engine_pool, DUE + 4 * HOUR) for _ in range(4)))
    assert await owner.fetchval("SELECT sum(successes) FROM results_hourly") == 5
    assert await owner.fetchval("SELECT rolled_up_to FROM rollup_progress") == NOON + 5 * HOUR


async def _roll_up(pool: Pool, now: datetime) -> None:
    async with pool.acquire() as connection:
        await roll_up(connection, now)
