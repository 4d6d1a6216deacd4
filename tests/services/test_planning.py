"""Ticks: planned once, in order, with everything that is due."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.services.conftest import NOON, MakeCheck
from tocsin.clock import PLAN_LEAD
from tocsin.database import Connection, Pool
from tocsin.domain.schedule import Interval, ScheduleVersion, interval_schedule, slots
from tocsin.services.planning import BATCH_SIZE, PlannedTick, expand_crons, plan_next_tick, record_gap, start_ledger

SECOND = timedelta(seconds=1)


async def plan_until(connection: Connection, until: datetime) -> list[PlannedTick]:
    ticks = []
    while tick := await plan_next_tick(connection, until - PLAN_LEAD):
        ticks.append(tick)
    return ticks


async def planned_slots(owner: Connection) -> list[tuple[int, datetime]]:
    rows = await owner.fetch(
        "SELECT check_id, tick_at + offset_ms * interval '1 ms' AS slot FROM batches,"
        " unnest(check_ids, offsets_ms) AS d (check_id, offset_ms) ORDER BY 1, 2"
    )
    return [(row["check_id"], row["slot"]) for row in rows]


async def test_a_tick_is_planned_only_shortly_before_it_begins(connection: Connection, organization: int) -> None:
    await start_ledger(connection, NOON)
    assert await plan_next_tick(connection, NOON + SECOND - PLAN_LEAD - timedelta(milliseconds=1)) is None
    tick = await plan_next_tick(connection, NOON + SECOND - PLAN_LEAD)
    assert tick is not None
    assert tick.at == NOON + SECOND


@pytest.mark.parametrize("interval_seconds", [1, 7, 60, 86400])
async def test_every_slot_of_the_schedule_is_planned_once(
    connection: Connection, owner: Connection, make_check: MakeCheck, interval_seconds: int
) -> None:
    checks = [await make_check(interval_seconds) for _ in range(3)]
    await start_ledger(connection, NOON - SECOND)
    until = NOON + timedelta(seconds=30)
    await plan_until(connection, until)
    interval = timedelta(seconds=interval_seconds)
    expected = [
        (check_id, slot)
        for check_id in checks
        for slot in slots(
            [ScheduleVersion(1, NOON, until + SECOND, interval_schedule(check_id, interval))], NOON, until + SECOND
        )
    ]
    assert await planned_slots(owner) == expected


async def test_racing_schedulers_plan_each_tick_once(
    engine_pool: Pool, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    async with engine_pool.acquire() as connection:
        await start_ledger(connection, NOON)

    async def race() -> int:
        async with engine_pool.acquire() as connection:
            return len(await plan_until(connection, NOON + timedelta(seconds=20)))

    assert sum(await asyncio.gather(*(race() for _ in range(4)))) == 20
    assert await owner.fetchval("SELECT count(*) FROM batches") == 20


async def test_a_paused_version_is_not_planned(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1, paused=True)
    await start_ledger(connection, NOON)
    await plan_until(connection, NOON + timedelta(seconds=5))
    assert await planned_slots(owner) == []


async def test_an_edit_takes_effect_at_its_instant_to_the_millisecond(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(1)
    before = ScheduleVersion(1, NOON, NOON, interval_schedule(check_id, SECOND))
    edge = next(
        slots(
            [ScheduleVersion(1, NOON, NOON + timedelta(days=1), before.schedule)],
            NOON + 3 * SECOND,
            NOON + timedelta(hours=1),
        )
    )
    await owner.execute("UPDATE check_versions SET valid_to = $2 WHERE check_id = $1", check_id, edge)
    await start_ledger(connection, NOON - SECOND)
    await plan_until(connection, NOON + timedelta(seconds=10))
    planned = [slot for _, slot in await planned_slots(owner)]
    assert max(planned) == edge - SECOND


async def test_batches_are_bounded(connection: Connection, owner: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    await owner.execute(
        "INSERT INTO check_versions (check_id, revision, organization_id, valid_from, kind, target, interval_ms,"
        " timeout_ms, failure_threshold, success_threshold, paused)"
        " SELECT check_id, r, organization_id, valid_from, kind, target, interval_ms, timeout_ms, 3, 2, false"
        " FROM check_versions, generate_series(2, 400) r"
    )
    await start_ledger(connection, NOON)
    tick = await plan_next_tick(connection, NOON)
    assert tick is not None
    assert tick.slots == 400
    sizes = await owner.fetch("SELECT cardinality(check_ids) AS size FROM batches ORDER BY id")
    assert [row["size"] for row in sizes] == [BATCH_SIZE, BATCH_SIZE, 400 - 2 * BATCH_SIZE]


async def test_a_long_absence_becomes_one_gap_and_no_flood(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    await start_ledger(connection, NOON)
    back = NOON + timedelta(days=2, milliseconds=300)
    gap = await record_gap(connection, back)
    assert gap is not None
    assert (gap.from_at, gap.to_at) == (NOON + SECOND, NOON + timedelta(days=2))
    assert await record_gap(connection, back) is None
    assert len(await plan_until(connection, back)) == 1


async def test_a_short_absence_is_caught_up_without_a_gap(connection: Connection, organization: int) -> None:
    await start_ledger(connection, NOON)
    back = NOON + timedelta(seconds=30)
    assert await record_gap(connection, back) is None
    assert len(await plan_until(connection, back)) == 30


async def test_racing_schedulers_record_one_gap(engine_pool: Pool, owner: Connection, organization: int) -> None:
    async with engine_pool.acquire() as connection:
        await start_ledger(connection, NOON)

    async def race(delay_ms: int) -> None:
        async with engine_pool.acquire() as connection:
            await record_gap(connection, NOON + timedelta(hours=1, milliseconds=delay_ms))

    await asyncio.gather(*(race(delay) for delay in (0, 10, 400, 999)))
    assert await owner.fetchval("SELECT count(*) FROM gaps WHERE reason = 'NOTHING_PLANNED'") == 1


async def test_nothing_is_due_before_the_first_start(
    connection: Connection, owner: Connection, organization: int
) -> None:
    await start_ledger(connection, NOON)
    await start_ledger(connection, NOON + timedelta(hours=1))
    assert await owner.fetchval("SELECT to_at FROM gaps") == NOON + SECOND


async def test_a_cron_expression_is_planned_at_its_instants(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(None, cron="*/2 * * * *")
    await start_ledger(connection, NOON - SECOND)
    await expand_crons(connection, NOON)
    await plan_until(connection, NOON + timedelta(minutes=4))
    assert await planned_slots(owner) == [(check_id, NOON + timedelta(minutes=m)) for m in (2, 4)]


async def test_no_tick_is_planned_before_its_cron_instants_are_made(
    connection: Connection, make_check: MakeCheck
) -> None:
    await make_check(None, cron="*/2 * * * *")
    await start_ledger(connection, NOON - SECOND)
    assert await plan_next_tick(connection, NOON) is None
    await expand_crons(connection, NOON)
    assert await plan_next_tick(connection, NOON) is not None


async def test_the_phase_is_the_same_in_sql_and_in_python(owner: Connection, organization: int) -> None:
    for check_id in (1, 2, 1000, 2**40):
        for seconds in (1, 60, 86400):
            in_sql = await owner.fetchval("SELECT tocsin_phase_ms($1, $2)", check_id, seconds * 1000)
            schedule = interval_schedule(check_id, timedelta(seconds=seconds))
            assert schedule == Interval(timedelta(seconds=seconds), timedelta(milliseconds=in_sql))
