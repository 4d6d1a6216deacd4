"""The invariants of the state machine, against a naive model that keeps every slot and counts anew each time."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tocsin.domain.observations import UNDECIDED_REASONS, Outcome, Reason
from tocsin.domain.status import (
    CheckState,
    Event,
    IncidentOpened,
    IncidentResolved,
    SlotResult,
    Status,
    StatusChanged,
    Thresholds,
    observe,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

outcomes = st.sampled_from(
    [
        (Outcome.SUCCESS, None),
        (Outcome.SUCCESS, None),
        (Outcome.DEGRADED, None),
        (Outcome.FAILURE, Reason.TIMEOUT),
        (Outcome.FAILURE, Reason.STATUS),
        (Outcome.FAILURE, Reason.TARGET_BLOCKED),
        (Outcome.FAILURE, Reason.INTERNAL_ERROR),
        (Outcome.MISSED, Reason.LEASE_EXPIRED),
        (Outcome.UNKNOWN, Reason.INTERNAL_ERROR),
    ]
)
windows = st.none() | st.integers(4, 9)
thresholds = st.builds(Thresholds, failure=st.integers(1, 4), success=st.integers(1, 3), window=windows)
waits = st.integers(1, 500).map(lambda seconds: seconds * SECOND)


@st.composite
def traces(draw: st.DrawFn) -> list[SlotResult]:
    slot, results = START, []
    for wait, (outcome, reason) in draw(st.lists(st.tuples(waits, outcomes), max_size=40)):
        slot += wait
        results.append(SlotResult(slot, outcome, reason))
    return results


def fold(state: CheckState, results: Sequence[SlotResult], limits: Thresholds) -> tuple[CheckState, list[Event]]:
    events: list[Event] = []
    for result in results:
        state, new = observe(state, result, limits)
        events.extend(new)
    return state, events


def stored_and_loaded(state: CheckState) -> CheckState:
    """The state as it comes back from its row: plain values, and nothing beside them."""
    row = json.loads(json.dumps(asdict(state), default=datetime.isoformat))
    began = row["run_started_at"]
    return CheckState(
        since=datetime.fromisoformat(row["since"]),
        decided=Status(row["decided"]),
        unknown=row["unknown"],
        run_length=row["run_length"],
        run_started_at=began and datetime.fromisoformat(began),
        window=tuple(slot and datetime.fromisoformat(slot) for slot in row["window"]),
    )


def is_eligible(result: SlotResult) -> bool:
    return result.outcome not in (Outcome.MISSED, Outcome.UNKNOWN) and result.reason not in UNDECIDED_REASONS


class CheckMachine(RuleBasedStateMachine):
    """One check: its slots, its thresholds edited, its process restarted, itself paused or pointed elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.state = CheckState(since=START)
        self.limits = Thresholds()
        self.eligible: list[SlotResult] = []  # since the check was begun anew
        self.down_since: datetime | None = None  # by the model
        self.changes: list[StatusChanged] = []
        self.incidents: list[list[datetime]] = []

    @initialize(window=windows)
    def the_check_is_made(self, window: int | None) -> None:
        self.limits = Thresholds(window=window)

    @rule(wait=waits, outcome=outcomes)
    def a_slot_ends(self, wait: timedelta, outcome: tuple[Outcome, Reason | None]) -> None:
        self.now += wait
        result = SlotResult(self.now, *outcome)
        before = self.state
        self.state, events = observe(before, result, self.limits)
        if is_eligible(result):
            self.eligible.append(result)
        else:
            assert counters(self.state) == counters(before)
        self.changes.extend(event for event in events if isinstance(event, StatusChanged))
        self.incident_events_are_those_of_the_model(events)

    def incident_events_are_those_of_the_model(self, events: Sequence[Event]) -> None:
        opened = [event for event in events if isinstance(event, IncidentOpened)]
        resolved = [event for event in events if isinstance(event, IncidentResolved)]
        run = self.run_of_the_newest()
        down = bool(run) and run[0].outcome is Outcome.FAILURE
        failing = self.failing_that_count(run)
        if self.down_since is None and down and len(failing) >= self.limits.failure and run[-1].slot == self.now:
            self.down_since = failing[0].slot
            assert [event.at for event in opened] == [self.down_since]
            assert not resolved
            self.incidents.append([self.down_since])
        elif self.down_since and run and not down and len(run) >= self.limits.success and run[-1].slot == self.now:
            assert [event.at for event in resolved] == [run[0].slot]
            assert not opened
            self.down_since = None
            self.incidents[-1].append(run[0].slot)
            self.eligible.clear()
        else:
            assert not opened
            assert not resolved

    def run_of_the_newest(self) -> list[SlotResult]:
        """The newest eligible slots in a row that all failed, or all did not."""
        newest_first = self.eligible[::-1]
        alike = takewhile(lambda r: (r.outcome is Outcome.FAILURE) == self.newest_failed(), newest_first)
        return list(alike)[::-1]

    def failing_that_count(self, run: list[SlotResult]) -> list[SlotResult]:
        counted = run if self.limits.window is None else self.eligible[-self.limits.window :]
        return [each for each in counted if each.outcome is Outcome.FAILURE]

    def newest_failed(self) -> bool:
        return self.eligible[-1].outcome is Outcome.FAILURE

    @rule()
    def the_process_restarts(self) -> None:
        self.state = stored_and_loaded(self.state)

    @rule(limits=thresholds)
    def thresholds_are_edited(self, limits: Thresholds) -> None:
        self.limits = replace(limits, window=self.limits.window)

    @rule(wait=waits)
    def the_check_begins_anew(self, wait: timedelta) -> None:
        """As after a pause or with a new target: its services close the incident and reset the state."""
        self.now += wait
        if self.state.status is not Status.PENDING:
            self.changes.append(StatusChanged(self.state.status, Status.PENDING, self.now, self.now, None))
        self.state = CheckState(since=self.now)
        self.eligible.clear()
        if self.down_since is not None:
            self.incidents[-1].append(self.now)
            self.down_since = None

    @invariant()
    def at_most_the_newest_incident_is_open(self) -> None:
        assert all(len(incident) == 2 for incident in self.incidents[:-1])
        assert (self.state.decided is Status.DOWN) == (self.down_since is not None)

    @invariant()
    def incidents_follow_one_another_and_end_no_earlier_than_they_started(self) -> None:
        instants = [instant for incident in self.incidents for instant in incident]
        assert instants == sorted(instants)

    @invariant()
    def the_shown_status_is_that_of_the_newest_slot(self) -> None:
        assert self.state.status is (self.changes[-1].to_status if self.changes else Status.PENDING)

    @invariant()
    def status_changes_alternate(self) -> None:
        assert all(change.from_status is not change.to_status for change in self.changes)
        assert all(earlier.to_status is later.from_status for earlier, later in pairwise(self.changes))

    @invariant()
    def the_intervals_between_changes_add_up_to_the_wall_time(self) -> None:
        seconds = Counter[Status]()
        begun = [(START, Status.PENDING), *((change.at, change.to_status) for change in self.changes)]
        for (began, status), (ended, _) in pairwise([*begun, (self.now, Status.PENDING)]):
            assert began <= ended
            seconds[status] += (ended - began) // SECOND
        assert seconds.total() == (self.now - START) // SECOND

    @invariant()
    def a_run_has_a_start_exactly_while_it_lasts(self) -> None:
        assert (self.state.run_length == 0) == (self.state.run_started_at is None)


def counters(state: CheckState) -> tuple[object, ...]:
    return state.decided, state.run_length, state.run_started_at, state.window


TestCheckMachine = CheckMachine.TestCase
TestCheckMachine.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@given(traces(), thresholds, st.data())
@settings(max_examples=100, deadline=None)
def test_a_restart_at_any_step_equals_no_restart(
    results: list[SlotResult], limits: Thresholds, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, len(results)))
    before, first_events = fold(CheckState(since=START), results[:step], limits)
    after, last_events = fold(stored_and_loaded(before), results[step:], limits)
    assert (after, first_events + last_events) == fold(CheckState(since=START), results, limits)


@given(traces(), thresholds)
@settings(max_examples=100, deadline=None)
def test_undecided_slots_change_no_incident(results: list[SlotResult], limits: Thresholds) -> None:
    _, events = fold(CheckState(since=START), results, limits)
    _, without = fold(CheckState(since=START), [result for result in results if is_eligible(result)], limits)
    assert incident_events(events) == incident_events(without)


def incident_events(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, StatusChanged)]


@given(traces(), thresholds)
@settings(max_examples=100, deadline=None)
def test_nothing_is_said_to_have_begun_after_the_slot_that_decided_it(
    results: list[SlotResult], limits: Thresholds
) -> None:
    _, events = fold(CheckState(since=START), results, limits)
    assert all(START <= event.at <= event.slot for event in events)


@given(traces(), thresholds)
@settings(max_examples=100, deadline=None)
def test_a_repeated_undecided_slot_is_as_good_as_one(results: list[SlotResult], limits: Thresholds) -> None:
    state, _ = fold(CheckState(since=START), results, limits)
    gap = [SlotResult(START + (50_000 + second) * SECOND, Outcome.MISSED, Reason.GAP) for second in range(3)]
    assert fold(state, gap, limits) == fold(state, gap[:1], limits)


@given(traces(), thresholds)
@settings(max_examples=100, deadline=None)
def test_a_window_as_long_as_the_failure_threshold_is_slots_in_a_row(
    results: list[SlotResult], limits: Thresholds
) -> None:
    _, in_a_row = fold(CheckState(since=START), results, replace(limits, window=None))
    _, in_window = fold(CheckState(since=START), results, replace(limits, window=limits.failure))
    assert in_window == in_a_row


@given(traces(), thresholds)
@settings(max_examples=100, deadline=None)
def test_a_state_without_a_run_has_nothing_in_its_window(results: list[SlotResult], limits: Thresholds) -> None:
    """So a success leaves it as it is, whatever the window: the statement that stores results relies on it."""
    state, _ = fold(CheckState(since=START), results, limits)
    if state.run_length == 0:
        assert state.window == ()


@given(traces(), thresholds, thresholds)
@settings(max_examples=100, deadline=None)
def test_any_thresholds_may_follow_any_others(results: list[SlotResult], before: Thresholds, after: Thresholds) -> None:
    half = len(results) // 2
    state, _ = fold(CheckState(since=START), results[:half], before)
    state, events = fold(state, results[half:], after)
    assert all(START <= event.at <= event.slot for event in events)
    assert len(state.window) <= max(before.window or 0, after.window or 0)
    assert state.run_length or not state.window
