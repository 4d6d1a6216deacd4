"""After a long sleep: caught up in seconds, one gap, right statuses, no flood; whatever was still out is let go."""

from datetime import timedelta

from tests.engine.harness import Platform, Target, eventually
from tests.services.conftest import NOON, MakeCheck, result, slots_of_check
from tests.services.test_leases import plan_one
from tocsin.database import Connection
from tocsin.services.partitions import drop_partitions, ensure_partitions
from tocsin.services.recording import record
from tocsin.services.sweeping import finish_over, unplanned_slots, unprobed_slots

# As if the machine had fallen asleep two days ago.
_ASLEEP = """
UPDATE checks SET interval_seconds = 1 + id % 5;
UPDATE check_versions SET interval_ms = 1000 * (1 + check_id % 5), valid_from = now() - interval '3 days';
UPDATE check_states SET folded_through = date_trunc('second', now()) - interval '2 days', status = 'UP', decided = 'UP';
INSERT INTO gaps VALUES (to_timestamp(0), now() - interval '3 days', 'BEFORE_FIRST_START');
INSERT INTO ticks (at) SELECT date_trunc('second', now()) - interval '2 days 1 second';
"""


async def test_a_sleep_of_two_days_is_caught_up_in_seconds(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, _ = target
    await platform.make_checks(500, 1, port)
    async with platform.connection() as connection:
        await connection.execute(_ASLEEP)
    platform.scheduler(), platform.worker()
    since = await platform.until_probing()
    await eventually(lambda: platform.ask("SELECT count(DISTINCT check_id) = 500 FROM results"), 12)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert await platform.ask("SELECT count(*) FROM gaps WHERE reason = 'NOTHING_PLANNED'") == 1
    assert await platform.ask("SELECT count(*) FROM check_states WHERE status <> 'UP'") == 0
    assert await platform.ask("SELECT count(*) FROM incidents") == 0
    # No flood: nothing of the time asleep is probed.
    assert await platform.ask("SELECT count(*) FROM results WHERE slot < (SELECT max(to_at) FROM gaps)") == 0


LATER = NOON + timedelta(days=40)


async def fall_asleep_for_longer_than_results_are_kept(owner: Connection) -> None:
    await owner.execute("INSERT INTO gaps VALUES ($1, $2, 'NOTHING_PLANNED')", NOON + timedelta(seconds=1), LATER)
    await ensure_partitions(owner, LATER)
    await drop_partitions(owner, (LATER - timedelta(days=30)).date())


async def test_what_is_older_than_all_that_is_kept_falls_away(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(1)
    [old] = await slots_of_check(owner, check_id, 1)
    [new] = await slots_of_check(owner, check_id, 1, since=LATER)
    await fall_asleep_for_longer_than_results_are_kept(owner)
    await record(connection, [result(check_id, old), result(check_id, new)], LATER)
    assert [row["slot"] for row in await owner.fetch("SELECT slot FROM results")] == [new]


async def test_a_slot_that_was_out_when_its_day_was_let_go_holds_up_no_fold(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(1)
    await fall_asleep_for_longer_than_results_are_kept(owner)
    slots = await slots_of_check(owner, check_id, 2, since=LATER)
    await record(connection, [result(check_id, slot) for slot in slots], LATER)
    assert await owner.fetchval("SELECT folded_through FROM check_states") == slots[1]


async def test_a_batch_that_was_out_when_its_day_was_let_go_is_closed(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    await plan_one(connection)
    await fall_asleep_for_longer_than_results_are_kept(owner)
    assert await unprobed_slots(connection, 0, LATER) == []
    assert await unplanned_slots(connection, LATER) == []
    await finish_over(connection, 0, LATER)
    assert await owner.fetchval("SELECT done_at FROM batch_leases") is not None
