"""Folding: only what is contiguous, whatever came first."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.folding import Course, Gap, Progress, RecordedSlot, due_outside_gaps, fold
from tocsin.domain.observations import Outcome
from tocsin.domain.schedule import END_OF_TIME, Interval, ScheduleVersion
from tocsin.domain.status import CheckState, Event, SlotResult, Status, StatusChanged, Thresholds

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVERY = timedelta(seconds=10)
COURSE = Course([ScheduleVersion(1, START, END_OF_TIME, Interval(EVERY, timedelta(0)))], Thresholds(3, 2))
BEFORE = Progress(CheckState(since=START), START - datetime.resolution)
OUTCOMES = {"S": Outcome.SUCCESS, "F": Outcome.FAILURE, "U": Outcome.UNKNOWN}


def recorded(trace: str, *, first: int = 0, revision: int = 1) -> list[RecordedSlot]:
    """One recorded slot a letter; a dot is a slot that is still out."""
    return [
        RecordedSlot(revision, SlotResult(START + (first + index) * EVERY, OUTCOMES[letter]))
        for index, letter in enumerate(trace)
        if letter != "."
    ]


def statuses(events: tuple[Event, ...]) -> list[Status]:
    return [event.to_status for event in events if isinstance(event, StatusChanged)]


def test_what_lies_behind_a_hole_waits() -> None:
    progress, events = fold(BEFORE, recorded("S.FFF"), COURSE)
    assert (progress.through, statuses(events)) == (START, [Status.UP])


def test_what_was_not_due_is_passed_over() -> None:
    stray = RecordedSlot(1, SlotResult(START + timedelta(seconds=3), Outcome.FAILURE))
    first, second = recorded("SS")
    assert fold(BEFORE, [first, stray, second], COURSE) == fold(BEFORE, [first, second], COURSE)


def test_another_revision_advances_and_changes_nothing() -> None:
    progress, events = fold(BEFORE, recorded("FFF", revision=2), COURSE)
    assert (progress.state, progress.through, events) == (BEFORE.state, START + 2 * EVERY, ())


def test_a_gap_is_crossed_and_shows_as_unknown() -> None:
    course = Course(COURSE.versions, COURSE.thresholds, [Gap(START + EVERY, START + 4 * EVERY)])
    _, events = fold(BEFORE, recorded("S...S"), course)
    assert statuses(events) == [Status.UP, Status.UNKNOWN, Status.UP]


def test_a_hole_before_a_gap_is_still_waited_for() -> None:
    course = Course(COURSE.versions, COURSE.thresholds, [Gap(START + 2 * EVERY, START + 4 * EVERY)])
    progress, _ = fold(BEFORE, recorded("S...S"), course)
    assert progress.through == START


def test_nothing_is_due_in_a_gap_however_it_ends() -> None:
    end = START + 3 * EVERY + timedelta(microseconds=500)
    course = Course(COURSE.versions, COURSE.thresholds, [Gap(START + EVERY, end)])
    due = list(due_outside_gaps(course, BEFORE.through, START + 5 * EVERY))
    assert due == [START, START + 4 * EVERY, START + 5 * EVERY]


def test_a_paused_check_folds_nothing() -> None:
    paused = Course([ScheduleVersion(1, START, END_OF_TIME, Interval(EVERY, timedelta(0)), paused=True)], Thresholds())
    assert fold(BEFORE, recorded("FFF"), paused) == (BEFORE, ())


@settings(deadline=None)
@given(trace=st.text("SFU", max_size=30), cut=st.integers(0, 30))
def test_a_restart_at_any_slot_changes_nothing(trace: str, cut: int) -> None:
    whole, events = fold(BEFORE, recorded(trace), COURSE)
    half, first_events = fold(BEFORE, recorded(trace[:cut]), COURSE)
    rest, last_events = fold(half, recorded(trace[cut:], first=cut), COURSE)
    assert (rest, first_events + last_events) == (whole, events)


@settings(deadline=None)
@given(trace=st.text("SF.", max_size=20))
def test_the_fold_ends_at_the_first_hole(trace: str) -> None:
    contiguous = trace.partition(".")[0]
    assert fold(BEFORE, recorded(trace), COURSE) == fold(BEFORE, recorded(contiguous), COURSE)
