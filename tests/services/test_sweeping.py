"""What was left behind ends as an explicit `MISSED`, never in silence."""

from datetime import timedelta
from itertools import product
from uuid import uuid4

import pytest

from tests.services.conftest import NOON, MakeCheck, result
from tests.services.test_leases import claim, plan_one
from tocsin.database import Connection
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.retries import Retries
from tocsin.services.leases import hand_back, load_slots
from tocsin.services.planning import CATCH_UP_LIMIT, plan_next_tick, start_ledger
from tocsin.services.recording import record
from tocsin.services.sweeping import RECORD_GRACE, UNPLANNED_AFTER, finish_over, unplanned_slots, unprobed_slots

SECOND = timedelta(seconds=1)
TIMEOUT = timedelta(seconds=1)


async def test_a_slot_that_nobody_took_is_missed_after_the_catch_up_limit(
    connection: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(1)
    await plan_one(connection)
    assert await unprobed_slots(connection, 0, NOON + CATCH_UP_LIMIT + SECOND) == []
    [missed] = await unprobed_slots(connection, 0, NOON + CATCH_UP_LIMIT + SECOND + timedelta(milliseconds=1))
    assert (missed.check_id, missed.observation.outcome) == (check_id, Outcome.MISSED)
    assert missed.observation.reason is Reason.LEASE_EXPIRED


async def test_a_slot_that_is_being_probed_may_take_its_timeout(connection: Connection, make_check: MakeCheck) -> None:
    await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    await claim(connection, batch_id)
    over = NOON + SECOND + TIMEOUT + RECORD_GRACE + CATCH_UP_LIMIT
    assert await unprobed_slots(connection, 0, over) == []
    assert len(await unprobed_slots(connection, 0, over + SECOND)) == 1


async def test_what_is_missed_is_recorded_once_and_closes_its_batch(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    await plan_one(connection)
    later = NOON + timedelta(minutes=1)
    await record(connection, await unprobed_slots(connection, 0, later), later)
    assert await unprobed_slots(connection, 0, later) == []
    await finish_over(connection, 0, later)
    assert await owner.fetchval("SELECT done_at FROM batch_leases") is not None


async def test_a_batch_with_a_slot_still_out_stays_open(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    await plan_one(connection)
    await finish_over(connection, 0, NOON + timedelta(minutes=1))
    assert await owner.fetchval("SELECT done_at FROM batch_leases") is None


async def test_a_result_that_comes_after_its_slot_was_missed_changes_nothing(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    [batch_id] = (await plan_one(connection)).batch_ids
    holder = uuid4()
    [due] = await load_slots(connection, await claim(connection, batch_id, holder))
    await hand_back(connection, holder)
    later = NOON + timedelta(minutes=1)
    await record(connection, await unprobed_slots(connection, 0, later), later)
    assert await record(connection, [result(due.check_id, due.slot)], later) == {}
    assert await owner.fetchval("SELECT status FROM check_states") == "UNKNOWN"


async def test_the_batches_of_a_deleted_check_are_closed(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(1)
    await plan_one(connection)
    await owner.execute("UPDATE checks SET deleted_at = now() WHERE id = $1", check_id)
    await finish_over(connection, 0, NOON + timedelta(minutes=1))
    assert await owner.fetchval("SELECT done_at FROM batch_leases") is not None


async def test_slots_that_were_never_planned_are_missed(connection: Connection, make_check: MakeCheck) -> None:
    check_id = await make_check(10)
    over = NOON + TIMEOUT + UNPLANNED_AFTER + timedelta(seconds=25)
    missed = await unplanned_slots(connection, over)
    assert {each.check_id for each in missed} == {check_id}
    assert {each.observation.reason for each in missed} == {Reason.NOT_PLANNED}
    assert len(missed) in (2, 3)
    await record(connection, missed, over)
    assert await unplanned_slots(connection, over) == []


async def test_a_gap_of_two_days_leaves_nothing_to_miss(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    back = NOON + timedelta(days=2)
    await owner.execute("INSERT INTO gaps VALUES ($1, $2, 'NOTHING_PLANNED')", NOON, back)
    assert await unplanned_slots(connection, back + UNPLANNED_AFTER) == []


async def test_slots_that_are_planned_and_under_way_are_not_called_unplanned(
    connection: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    await start_ledger(connection, NOON - SECOND)
    while await plan_next_tick(connection, NOON + timedelta(seconds=10)):
        pass
    assert await unplanned_slots(connection, NOON + CATCH_UP_LIMIT + RECORD_GRACE) == []


async def test_a_slot_that_is_being_probed_may_take_all_its_attempts(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(1)
    await owner.execute("UPDATE check_versions SET retry_attempts = 2, retry_delay_ms = 1000, retry_backoff = 2")
    [batch_id] = (await plan_one(connection)).batch_ids
    await claim(connection, batch_id)
    over = NOON + SECOND + 3 * TIMEOUT + 3 * SECOND + RECORD_GRACE + CATCH_UP_LIMIT
    assert await unprobed_slots(connection, 0, over) == []
    assert len(await unprobed_slots(connection, 0, over + SECOND)) == 1


async def test_the_database_reckons_a_run_as_the_domain_does(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    await make_check(10)
    for attempts, delay_ms, backoff in product((0, 1, 2, 5), (0, 500, 30_000), (1.0, 1.3, 4.0)):
        await owner.execute(
            "UPDATE check_versions SET retry_attempts = $1, retry_delay_ms = $2, retry_backoff = $3",
            attempts,
            delay_ms,
            backoff,
        )
        reckoned = await owner.fetchval("SELECT longest_run_ms FROM check_versions")
        longest = Retries(attempts, timedelta(milliseconds=delay_ms), backoff).longest_run(TIMEOUT)
        assert reckoned == pytest.approx(longest / timedelta(milliseconds=1), abs=1)
