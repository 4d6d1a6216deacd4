"""Results that only confirm a state are folded where they are stored: what is stored is what the state machine says."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.services.conftest import NOON, MakeCheck, result, slots_of_check
from tocsin.database import Connection
from tocsin.domain.folding import Course, Progress, RecordedSlot, fold
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.schedule import MILLISECOND
from tocsin.domain.status import CheckState, SlotResult
from tocsin.services.courses import read_courses
from tocsin.services.recording import Result, record

SEEN = {
    "S": (Outcome.SUCCESS, None),
    "D": (Outcome.DEGRADED, None),
    "F": (Outcome.FAILURE, Reason.STATUS),
    "B": (Outcome.FAILURE, Reason.TARGET_BLOCKED),
    "M": (Outcome.MISSED, Reason.LEASE_EXPIRED),
}


async def results_of(owner: Connection, check_id: int, trace: str) -> list[Result]:
    slots = await slots_of_check(owner, check_id, len(trace))
    seen = [
        Observation(SEEN[letter][0], slot, timedelta(0), SEEN[letter][1])
        for letter, slot in zip(trace, slots, strict=True)
    ]
    return [Result(check_id, slot, 1, 1, each) for slot, each in zip(slots, seen, strict=True)]


def folded(results: Sequence[Result], course: Course) -> Progress:
    """What the state machine makes of all of them."""
    recorded = [
        RecordedSlot(each.revision, SlotResult(each.slot, each.observation.outcome, each.observation.reason))
        for each in results
    ]
    return fold(Progress(CheckState(NOON), NOON - MILLISECOND), recorded, course)[0]


async def stored(owner: Connection, check_id: int) -> dict[str, object]:
    row = await owner.fetchrow("SELECT * FROM check_states WHERE check_id = $1", check_id)
    assert row is not None
    return dict(row)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [None, 5])
async def test_the_stored_state_is_the_fold_of_all_slots(
    connection: Connection, owner: Connection, make_check: MakeCheck, seed: int, window: int | None
) -> None:
    chance = random.Random(seed)
    trace = "".join(letter * chance.choice((1, 1, 2, 4)) for letter in chance.choices("SSSDFFBM", k=30))
    check_id = await make_check()
    await owner.execute("UPDATE check_versions SET failure_window = $1", window)
    course = (await read_courses(connection, [check_id], NOON))[check_id]
    results = await results_of(owner, check_id, trace)
    for count, each in enumerate(results, 1):
        await record(connection, [each], NOON)
        expected, state = folded(results[:count], course), await stored(owner, check_id)
        assert state["folded_through"] == state["last_slot"] == expected.through
        assert (state["status"], state["decided"]) == (expected.state.status, expected.state.decided)
        assert (state["since"], state["run_length"]) == (expected.state.since, expected.state.run_length)
        assert (state["recent_slots"] or []) == list(expected.state.window)


async def test_a_confirming_result_is_what_was_last(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    first, second = await results_of(owner, check_id, "SS")
    assert [await record(connection, [each], NOON) for each in (first, second, second)] == [{1: 1}, {1: 2}, {}]
    state = await stored(owner, check_id)
    assert (state["last_slot"], state["last_started_at"]) == (second.slot, second.slot)
    assert await owner.fetchval("SELECT result_slots FROM events WHERE number = 2") == [second.slot]


async def test_what_waited_is_folded_by_a_confirming_result(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    first, second, third = await results_of(owner, check_id, "SSF")
    for each in (first, third):
        await record(connection, [each], NOON)
    assert (await stored(owner, check_id))["waiting"]
    await record(connection, [second], NOON)
    state = await stored(owner, check_id)
    assert (state["folded_through"], state["run_length"], state["waiting"]) == (third.slot, 1, False)


async def test_two_slots_of_a_check_in_one_flush_are_both_folded(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    first, *others = await results_of(owner, check_id, "SSS")
    await record(connection, [first], NOON)
    await record(connection, others, NOON)
    assert (await stored(owner, check_id))["folded_through"] == others[-1].slot


async def test_an_instant_that_is_not_due_confirms_nothing(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    [first] = await results_of(owner, check_id, "S")
    await record(connection, [first], NOON)
    await owner.execute("UPDATE check_states SET folded_through = folded_through + interval '3 seconds'")
    await record(connection, [result(check_id, first.slot + timedelta(seconds=13))], NOON)
    assert (await stored(owner, check_id))["last_slot"] == first.slot


async def test_a_flush_that_confirms_one_check_and_moves_another_is_one_event(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    steady, moving = await make_check(), await make_check()
    await record(connection, [(await results_of(owner, steady, "S"))[0]], NOON)
    flush = [(await results_of(owner, steady, "SS"))[1], (await results_of(owner, moving, "S"))[0]]
    assert await record(connection, flush, NOON) == {1: 2}
    event = await owner.fetchrow("SELECT * FROM events WHERE number = 2")
    assert event is not None
    assert (event["result_check_ids"], len(event["status_change_ids"])) == ([steady, moving], 1)
