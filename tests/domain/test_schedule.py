"""Slots by interval, and the versions of a schedule. Cron has its own tests."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.schedule import (
    END_OF_TIME,
    EPOCH,
    MAXIMUM_INTERVAL,
    MILLISECOND,
    MINIMUM_INTERVAL,
    Cron,
    Interval,
    ScheduleVersion,
    first_slot_after,
    interval_schedule,
    next_slot,
    phase,
    slots,
    validate_interval,
)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EACH_MINUTE = Interval(MINUTE, 7 * SECOND)


def version(
    valid_from: datetime = EPOCH,
    valid_to: datetime = END_OF_TIME,
    schedule: Interval | Cron = EACH_MINUTE,
    *,
    paused: bool = False,
) -> ScheduleVersion:
    return ScheduleVersion(1, valid_from, valid_to, schedule, paused)


def due(versions: list[ScheduleVersion], after: datetime, until: datetime) -> list[timedelta]:
    """The slots, as their distance from noon."""
    return [slot - NOON for slot in slots(versions, after, until)]


def test_slots_are_whole_intervals_after_the_phase() -> None:
    assert due([version()], NOON, NOON + 3 * MINUTE) == [7 * SECOND, 67 * SECOND, 127 * SECOND]


def test_a_slot_at_the_end_of_the_range_is_in_and_one_at_its_start_is_out() -> None:
    slot = NOON + 7 * SECOND
    assert due([version()], slot - MILLISECOND, slot) == [7 * SECOND]
    assert due([version()], slot, slot + MINUTE - MILLISECOND) == []


def test_the_first_slot_after_a_slot_is_the_next() -> None:
    slot = first_slot_after(EACH_MINUTE, NOON)
    assert first_slot_after(EACH_MINUTE, slot - datetime.resolution) == slot
    assert first_slot_after(EACH_MINUTE, slot) == slot + MINUTE


def test_a_slot_at_the_start_of_a_version_is_due_and_one_at_its_end_is_not() -> None:
    slot = NOON + 7 * SECOND
    assert due([version(valid_from=slot)], NOON, slot) == [7 * SECOND]
    assert due([version(valid_to=slot)], NOON, slot) == []
    assert due([version(valid_to=slot + MILLISECOND)], NOON, slot) == [7 * SECOND]


@pytest.mark.parametrize("microseconds", [-1000, -999, -1, 0, 1, 999, 1000])
def test_an_edit_close_to_a_slot_neither_doubles_nor_loses_it(microseconds: int) -> None:
    edited_at = NOON + 7 * SECOND + timedelta(microseconds=microseconds)
    versions = [version(valid_to=edited_at), version(valid_from=edited_at)]
    assert due(versions, NOON, NOON + 2 * MINUTE) == [7 * SECOND, 67 * SECOND]


def test_an_edit_changes_interval_and_phase_from_its_instant_on() -> None:
    edited_at = NOON + 90 * SECOND
    versions = [version(valid_to=edited_at), version(edited_at, schedule=Interval(20 * SECOND, 15 * SECOND))]
    assert due(versions, NOON, NOON + 2 * MINUTE) == [7 * SECOND, 67 * SECOND, 95 * SECOND, 115 * SECOND]


def test_nothing_is_due_between_pause_and_resume() -> None:
    paused_at, resumed_at = NOON + MINUTE, NOON + 3 * MINUTE
    versions = [version(valid_to=paused_at), version(paused_at, resumed_at, paused=True), version(resumed_at)]
    assert due(versions, NOON, NOON + 4 * MINUTE) == [7 * SECOND, 187 * SECOND]


def test_nothing_is_due_before_the_first_version_and_after_the_last() -> None:
    created_at, deleted_at = NOON, NOON + MINUTE
    assert due([version(created_at, deleted_at)], EPOCH, END_OF_TIME) == [7 * SECOND]


def test_an_interval_can_become_a_cron_expression() -> None:
    edited_at = NOON + MINUTE
    versions = [version(valid_to=edited_at), version(edited_at, schedule=Cron("*/2 * * * *", "UTC"))]
    assert due(versions, NOON, NOON + 4 * MINUTE) == [7 * SECOND, 2 * MINUTE, 4 * MINUTE]


def test_a_cron_instant_at_the_start_of_a_version_is_due() -> None:
    assert due([version(NOON, schedule=Cron("* * * * *", "UTC"))], EPOCH, NOON) == [timedelta()]


def test_an_empty_range_holds_no_slot() -> None:
    assert due([version()], NOON, NOON) == []
    assert due([version()], NOON + DAY, NOON) == []
    assert due([], NOON, NOON + DAY) == []


def test_the_next_slot_is_the_earliest_one_that_comes_after() -> None:
    assert next_slot([version()], NOON) == NOON + 7 * SECOND
    assert next_slot([version()], NOON + 7 * SECOND) == NOON + 67 * SECOND


def test_the_next_slot_may_belong_to_a_later_version() -> None:
    resumed_at = NOON + DAY
    versions = [version(valid_to=NOON), version(NOON, resumed_at, paused=True), version(resumed_at)]
    assert next_slot(versions, NOON) == resumed_at + 7 * SECOND


def test_there_is_no_next_slot_once_a_check_is_deleted_or_paused() -> None:
    assert next_slot([], NOON) is None
    assert next_slot([version(valid_to=NOON)], NOON) is None
    assert next_slot([version(valid_to=NOON), version(NOON, paused=True)], EPOCH + DAY) == EPOCH + DAY + 7 * SECOND
    assert next_slot([version(valid_to=NOON), version(NOON, paused=True)], NOON) is None


def test_the_first_slot_of_a_long_range_costs_no_more_than_that_of_a_short_one() -> None:
    each_second = [version(schedule=Interval(SECOND, 0 * SECOND))]
    began = process_time()
    for day in range(1, 1001):
        assert next(slots(each_second, NOON - day * DAY, NOON)) == NOON - day * DAY + SECOND
    assert process_time() - began < 0.5  # 1,000 times the first of up to 86 million slots


intervals = st.integers(1, 300).flatmap(
    lambda seconds: st.builds(
        Interval, st.just(seconds * SECOND), st.integers(0, seconds * 1000 - 1).map(lambda ms: ms * MILLISECOND)
    )
)
crons = st.builds(
    Cron, st.sampled_from(["* * * * *", "*/7 1-3 * * *", "30 2 * * *"]), st.sampled_from(["UTC", "Europe/Berlin"])
)
# Edits and reads happen at any microsecond; those near a whole second are the hard ones.
edits = st.builds(
    lambda second, microsecond: NOON + second * SECOND + timedelta(microseconds=microsecond),
    st.integers(0, 3600),
    st.sampled_from([-1, 0, 0, 0, 1, 500, 999, 1000]) | st.integers(0, 999_999),
)


@st.composite
def versions_of_a_check(draw: st.DrawFn) -> list[ScheduleVersion]:
    edges = sorted(draw(st.sets(edits, min_size=2, max_size=5)))
    return [version(*edge, draw(intervals | crons), paused=draw(st.booleans())) for edge in pairwise(edges)]


@given(versions_of_a_check(), st.lists(edits, min_size=3, max_size=3).map(sorted))
@settings(max_examples=80, deadline=None)
def test_two_ranges_that_touch_hold_the_slots_of_both(versions: list[ScheduleVersion], edges: list[datetime]) -> None:
    start, middle, end = edges
    halves = [*slots(versions, start, middle), *slots(versions, middle, end)]
    assert halves == list(slots(versions, start, end))


@given(versions_of_a_check())
@settings(max_examples=80, deadline=None)
def test_slots_increase_strictly_and_each_lies_in_a_version_that_runs(versions: list[ScheduleVersion]) -> None:
    found = list(slots(versions, EPOCH, END_OF_TIME))
    assert all(earlier < later for earlier, later in pairwise(found))
    for slot in found:
        [owner] = [version for version in versions if version.valid_from <= slot < version.valid_to]
        assert not owner.paused


@given(versions_of_a_check(), edits)
@settings(max_examples=80, deadline=None)
def test_walking_from_slot_to_slot_finds_them_all(versions: list[ScheduleVersion], after: datetime) -> None:
    expected = list(islice(slots(versions, after, END_OF_TIME), 5))
    found: list[datetime] = []
    while len(found) < 5 and (slot := next_slot(versions, found[-1] if found else after)) is not None:
        found.append(slot)
    assert found == expected


@given(intervals, edits, st.integers(1, 600))
@settings(max_examples=80, deadline=None)
def test_a_version_holds_each_whole_interval_from_its_start_to_its_end(
    schedule: Interval, valid_from: datetime, seconds: int
) -> None:
    valid_to = valid_from + seconds * SECOND
    first = (valid_from - EPOCH) // schedule.every - 1
    candidates = [EPOCH + schedule.phase + k * schedule.every for k in range(first, first + seconds + 4)]
    expected = [slot for slot in candidates if valid_from <= slot < valid_to]
    assert list(slots([version(valid_from, valid_to, schedule)], EPOCH, END_OF_TIME)) == expected


@pytest.mark.parametrize("interval", [SECOND, 10 * SECOND, MINUTE, DAY])
def test_phases_spread_evenly_over_the_interval(interval: timedelta) -> None:
    buckets = Counter(phase(check_id, interval) * 50 // interval for check_id in range(1, 10_001))
    chi_square = sum((buckets[bucket] - 200) ** 2 / 200 for bucket in range(50))
    assert chi_square < 94.6  # 1 in 10,000 for 49 degrees of freedom, were the phases random


def test_neighbouring_ids_are_due_apart() -> None:
    seconds = [phase(check_id, MINUTE) // SECOND for check_id in range(1, 10_001)]
    near = sum(abs(one - next_one) <= 1 for one, next_one in pairwise(seconds))
    assert 350 < near < 650  # 1 in 20 pairs, as for random phases


@pytest.mark.parametrize(
    ("check_id", "interval", "milliseconds"),
    [
        (1, MINUTE, 41_109),
        (2, MINUTE, 49_877),
        (123_456_789, SECOND, 516),
        (2**63 - 1, DAY, 53_625_535),
        (-1, DAY, 53_516_868),
    ],
)
def test_a_phase_never_changes_between_releases(check_id: int, interval: timedelta, milliseconds: int) -> None:
    assert phase(check_id, interval) == milliseconds * MILLISECOND


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 86_400))
@settings(max_examples=80, deadline=None)
def test_a_phase_is_a_whole_number_of_milliseconds_below_the_interval(check_id: int, seconds: int) -> None:
    found = phase(check_id, seconds * SECOND)
    assert timedelta() <= found < seconds * SECOND
    assert not found % MILLISECOND


def test_a_check_gets_the_phase_of_its_id() -> None:
    assert interval_schedule(42, MINUTE) == Interval(MINUTE, phase(42, MINUTE))


@pytest.mark.parametrize("interval", [MINIMUM_INTERVAL, 10 * SECOND, MINUTE, 90 * SECOND, MAXIMUM_INTERVAL])
def test_an_interval_from_a_second_to_a_day_is_taken(interval: timedelta) -> None:
    assert validate_interval(interval) == interval


@pytest.mark.parametrize(
    "interval",
    [
        timedelta(),
        -MINUTE,
        MILLISECOND,
        SECOND - datetime.resolution,
        SECOND + datetime.resolution,
        1.5 * SECOND,
        DAY + SECOND,
        7 * DAY,
        timedelta.max,
        timedelta.min,
    ],
)
def test_another_interval_is_refused_with_the_remedy(interval: timedelta) -> None:
    with pytest.raises(ValueError, match="must be a whole number of seconds from 1 to 86400"):
        validate_interval(interval)
