"""Results: stored once, folded in slot order, and told to those who listen."""

import asyncio
import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.services.conftest import NOON, MakeCheck, result, slots_of_check
from tocsin.database import Connection, Pool
from tocsin.domain.observations import Outcome
from tocsin.services.recording import Result, record

OUTCOMES = {
    "S": Outcome.SUCCESS,
    "F": Outcome.FAILURE,
    "D": Outcome.DEGRADED,
    "M": Outcome.MISSED,
    "U": Outcome.UNKNOWN,
}


async def results_of(owner: Connection, check_id: int, trace: str, since: datetime = NOON) -> list[Result]:
    slots = await slots_of_check(owner, check_id, len(trace), since)
    return [result(check_id, slot, OUTCOMES[letter]) for slot, letter in zip(slots, trace, strict=True)]


async def state_of(owner: Connection, check_id: int) -> dict[str, object]:
    row = await owner.fetchrow("SELECT * FROM check_states WHERE check_id = $1", check_id)
    assert row is not None
    return dict(row)


async def history_of(owner: Connection, check_id: int) -> tuple[object, ...]:
    """Everything that must not depend on the order of arrival."""
    changes = await owner.fetch(
        "SELECT from_status, to_status, at, slot, reason FROM status_changes WHERE check_id = $1 ORDER BY at, slot",
        check_id,
    )
    incidents = await owner.fetch(
        "SELECT opened_at, detected_at, resolved_at, resolution, cause, message FROM incidents WHERE check_id = $1"
        " ORDER BY opened_at",
        check_id,
    )
    return await state_of(owner, check_id), list(map(tuple, changes)), list(map(tuple, incidents))


async def test_a_result_moves_the_state(connection: Connection, owner: Connection, make_check: MakeCheck) -> None:
    check_id = await make_check()
    results = await results_of(owner, check_id, "S")
    await record(connection, results, NOON)
    state = await state_of(owner, check_id)
    assert (state["status"], state["folded_through"]) == ("UP", results[0].slot)


async def test_evidence_is_stored_with_the_attempts_that_it_took(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    [failed, unproven] = await results_of(owner, await make_check(), "FS")
    seen = replace(failed.observation, attempts=3, tls_verified=False, evidence='{"bodyExcerpt": "sorry"}')
    await record(connection, [replace(failed, observation=seen), unproven], NOON)
    rows = await owner.fetch("SELECT attempts, tls_verified, evidence FROM results ORDER BY slot")
    assert [tuple(row) for row in rows] == [(3, False, '{"bodyExcerpt": "sorry"}'), (None, None, None)]


def with_evidence(kept: Result, number: int) -> Result:
    return replace(kept, observation=replace(kept.observation, evidence=f'{{"body": "{number}"}}'))


async def test_an_incident_keeps_the_newest_evidence_of_the_failures_that_opened_it(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    results = await results_of(owner, await make_check(), "FSFFF")
    for number in (0, 2, 3):
        results[number] = with_evidence(results[number], number)
    await record(connection, results, NOON)
    await owner.execute("DELETE FROM results")
    assert await owner.fetchval("SELECT evidence->>'body' FROM incidents") == "3"


async def test_an_incident_without_evidence_among_its_failures_has_none(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    results = await results_of(owner, await make_check(), "FSFFFF")
    for number in (0, 1, 5):
        results[number] = with_evidence(results[number], number)
    await record(connection, results[:5], NOON)
    await record(connection, results[5:], NOON)
    assert await owner.fetchval("SELECT evidence FROM incidents") is None


async def test_a_repeat_is_stored_once_and_changes_nothing(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    results = await results_of(owner, check_id, "FFF")
    assert await record(connection, results, NOON) == {1: 1}
    assert await record(connection, results, NOON) == {}
    assert await owner.fetchval("SELECT count(*) FROM results") == 3
    assert await owner.fetchval("SELECT count(*) FROM incidents") == 1


async def test_a_slot_that_is_out_is_waited_for(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    first, second, third = await results_of(owner, check_id, "SFF")
    await record(connection, [first, third], NOON)
    assert (await state_of(owner, check_id))["folded_through"] == first.slot
    await record(connection, [second], NOON)
    assert (await state_of(owner, check_id))["run_length"] == 2


async def test_the_incident_begins_at_the_first_failing_slot_and_ends_at_the_first_good_one(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    results = await results_of(owner, check_id, "SFFFSS")
    await record(connection, results, NOON)
    incident = await owner.fetchrow("SELECT * FROM incidents")
    assert incident is not None
    assert incident["opened_at"] == results[1].slot
    assert incident["detected_at"] == results[3].slot
    assert incident["resolved_at"] == results[4].slot
    assert (incident["cause"], incident["message"], incident["resolution"]) == ("STATUS", "got 503", "RECOVERED")
    kinds = await owner.fetch("SELECT kind FROM incident_events ORDER BY version")
    assert [row["kind"] for row in kinds] == ["OPENED", "RESOLVED"]


async def test_a_failure_and_a_recovery_in_one_flush_and_the_next_failure_open_two_incidents(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    await record(connection, await results_of(owner, check_id, "FFFSSFFF"), NOON)
    assert await owner.fetchval("SELECT count(*) FROM incidents") == 2
    assert await owner.fetchval("SELECT count(*) FROM incidents WHERE resolved_at IS NULL") == 1


async def test_what_was_probed_by_an_older_revision_is_stored_and_never_folded(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    slots = await slots_of_check(owner, check_id, 3)
    stale = [result(check_id, slot, Outcome.FAILURE, revision=7) for slot in slots]
    await record(connection, stale, NOON)
    state = await state_of(owner, check_id)
    assert (state["status"], state["folded_through"]) == ("PENDING", slots[2])


async def test_a_deleted_check_falls_away(connection: Connection, owner: Connection, make_check: MakeCheck) -> None:
    check_id = await make_check()
    await owner.execute("UPDATE checks SET deleted_at = now() WHERE id = $1", check_id)
    assert await record(connection, await results_of(owner, check_id, "S"), NOON) == {}


async def test_a_gap_shows_as_unknown_and_the_counters_go_on_behind_it(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    before = await results_of(owner, check_id, "SFF")
    back = NOON + timedelta(days=2)
    await owner.execute(
        "INSERT INTO gaps VALUES ($1, $2, 'NOTHING_PLANNED')", before[2].slot + timedelta(seconds=1), back
    )
    await record(connection, before, NOON)
    await record(connection, await results_of(owner, check_id, "F", since=back), back)
    changes = await owner.fetch("SELECT to_status FROM status_changes ORDER BY id")
    assert [row["to_status"] for row in changes] == ["UP", "UNKNOWN", "DOWN"]
    opened_at = await owner.fetchval("SELECT opened_at FROM incidents")
    assert opened_at == before[1].slot


async def test_a_schedule_that_changed_goes_on_at_its_new_slots(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check(10)
    first, second = await results_of(owner, check_id, "FF")
    edge = second.slot + timedelta(seconds=4)
    await owner.execute("UPDATE check_versions SET valid_to = $2 WHERE check_id = $1", check_id, edge)
    await owner.execute(
        "INSERT INTO check_versions (check_id, revision, organization_id, valid_from, kind, target, interval_ms,"
        " timeout_ms, failure_threshold, success_threshold, paused)"
        " SELECT check_id, 2, organization_id, $2, kind, target, 3000, timeout_ms, 3, 2, false FROM check_versions"
        " WHERE check_id = $1",
        check_id,
        edge,
    )
    await owner.execute("UPDATE checks SET revision = 2 WHERE id = $1", check_id)
    phase = await owner.fetchval("SELECT phase_ms FROM check_versions WHERE check_id = $1 AND revision = 2", check_id)
    ms = int(edge.timestamp() * 1000)
    third = edge + timedelta(milliseconds=(phase - ms) % 3000)
    await record(connection, [result(check_id, third, Outcome.FAILURE, revision=2), first, second], NOON)
    assert (await state_of(owner, check_id))["status"] == "DOWN"


async def test_one_event_lists_what_a_flush_brought(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    results = await results_of(owner, check_id, "SFFF")
    assert await record(connection, results, NOON) == {1: 1}
    event = await owner.fetchrow("SELECT * FROM events")
    assert event is not None
    assert event["result_slots"] == [each.slot for each in results]
    assert (len(event["status_change_ids"]), len(event["incident_event_ids"])) == (2, 1)


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_repetition_and_delay_ends_in_the_same_state(
    engine_pool: Pool, owner: Connection, make_check: MakeCheck, seed: int
) -> None:
    chance = random.Random(seed)
    trace = "".join(chance.choices("SFDMU", weights=[5, 6, 1, 1, 1], k=40))
    ordered, shuffled = await make_check(), await make_check()
    async with engine_pool.acquire() as connection:
        for each in await results_of(owner, ordered, trace):
            await record(connection, [each], NOON)
    arrivals = await results_of(owner, shuffled, trace)
    arrivals += chance.choices(arrivals, k=30)
    chance.shuffle(arrivals)

    async def arrive(part: list[Result]) -> None:
        async with engine_pool.acquire() as connection:
            while part:
                count = chance.randint(1, 9)
                await record(connection, part[:count], NOON)
                del part[:count]

    await asyncio.gather(*(arrive(arrivals[start::4]) for start in range(4)))
    assert _relative(await history_of(owner, shuffled)) == _relative(await history_of(owner, ordered))


def _relative(history: tuple[object, ...]) -> object:
    """Two checks differ by their ids and phases: count instants from the first slot on."""
    state, changes, incidents = history
    assert isinstance(state, dict)
    origin = state["folded_through"]
    kept = {key: value for key, value in state.items() if key != "check_id"}

    def shift(value: object) -> object:
        if isinstance(value, datetime):
            return value - origin
        if isinstance(value, dict):
            return {key: shift(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [shift(each) for each in value]
        return value

    return shift([kept, changes, incidents])


async def test_concurrent_flushes_of_the_same_checks_do_not_deadlock(
    engine_pool: Pool, owner: Connection, make_check: MakeCheck
) -> None:
    checks = [await make_check() for _ in range(20)]
    flushes = [await results_of(owner, check_id, "F" * 8) for check_id in checks]
    everything = [each for flush in flushes for each in flush]

    async def write(seed: int) -> None:
        mine = everything.copy()
        random.Random(seed).shuffle(mine)
        async with engine_pool.acquire() as connection:
            for start in range(0, len(mine), 25):
                await record(connection, mine[start : start + 25], NOON)

    await asyncio.gather(*(write(seed) for seed in range(6)))
    assert await owner.fetchval("SELECT count(*) FROM incidents") == 20
    assert await owner.fetchval("SELECT count(*) FROM results") == 160
    numbers = [row["number"] for row in await owner.fetch("SELECT number FROM events ORDER BY 1")]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_result_of_an_hour_that_is_over_marks_it_for_a_rollup(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    first, second = await results_of(owner, check_id, "SS")
    await record(connection, [first], NOON + timedelta(minutes=59))
    assert await owner.fetch("SELECT hour FROM rollup_marks") == []
    await record(connection, [second], NOON + timedelta(minutes=61))
    assert [row["hour"] for row in await owner.fetch("SELECT hour FROM rollup_marks")] == [NOON]
