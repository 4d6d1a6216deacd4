"""The state machine, read as traces: one letter a slot, one slot a minute, the first at minute 1."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.status import (
    CheckState,
    Event,
    IncidentOpened,
    IncidentResolved,
    SlotResult,
    Status,
    StatusChanged,
    Thresholds,
    confirmed_status,
    observe,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DEFAULTS = Thresholds()
ONE_EACH = Thresholds(failure=1, success=1)
LETTERS = {
    "S": (Outcome.SUCCESS, None),
    "D": (Outcome.DEGRADED, None),
    "F": (Outcome.FAILURE, Reason.TIMEOUT),
    "M": (Outcome.MISSED, Reason.LEASE_EXPIRED),
    "U": (Outcome.UNKNOWN, None),
    "B": (Outcome.FAILURE, Reason.TARGET_BLOCKED),
    "I": (Outcome.FAILURE, Reason.INTERNAL_ERROR),
}
UNDECIDED = pytest.mark.parametrize("undecided", ["M", "U", "B", "I"])


@dataclass
class Trace:
    """What folding some slots showed. Instants are given in minutes since the start."""

    state: CheckState
    minute: int = 0
    statuses: list[Status] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def fold(self, letters: str, thresholds: Thresholds = DEFAULTS) -> "Trace":
        for letter in letters.replace(" ", ""):
            self.minute += 1
            outcome, reason = LETTERS[letter]
            result = SlotResult(START + self.minute * MINUTE, outcome, reason, f"slot {self.minute}")
            self.state, events = observe(self.state, result, thresholds)
            self.statuses.append(self.state.status)
            self.events.extend(events)
        return self

    @property
    def shown(self) -> str:
        return " ".join(self.statuses)

    @property
    def changes(self) -> list[str]:
        return [
            f"{event.from_status}->{event.to_status} at {_minute(event.at)}, by {_minute(event.slot)}"
            for event in self.events
            if isinstance(event, StatusChanged)
        ]

    @property
    def incidents(self) -> list[str]:
        told = {IncidentOpened: "opened", IncidentResolved: "resolved"}
        return [
            f"{told[type(event)]} at {_minute(event.at)}, by {_minute(event.slot)}"
            for event in self.events
            if isinstance(event, IncidentOpened | IncidentResolved)
        ]


def _minute(instant: datetime) -> int:
    return (instant - START) // MINUTE


def trace(letters: str, thresholds: Thresholds = DEFAULTS) -> Trace:
    return Trace(CheckState(since=START)).fold(letters, thresholds)


def test_a_new_check_is_pending_until_a_slot_decides() -> None:
    assert CheckState(since=START).status is Status.PENDING
    assert trace("F").shown == "PENDING"
    assert trace("FF").changes == []


def test_the_first_success_makes_a_new_check_up() -> None:
    assert trace("S").changes == ["PENDING->UP at 1, by 1"]
    assert trace("FFS").changes == ["PENDING->UP at 3, by 3"]


def test_the_first_degraded_slot_makes_a_new_check_degraded() -> None:
    assert trace("D").changes == ["PENDING->DEGRADED at 1, by 1"]


@pytest.mark.parametrize(("before", "status"), [("", "PENDING"), ("S", "UP"), ("D", "DEGRADED")])
def test_the_failure_threshold_takes_every_status_down(before: str, status: str) -> None:
    first = len(before) + 1
    assert trace(before + "FF").state.status == status
    assert trace(before + "FFF").changes[-1] == f"{status}->DOWN at {first}, by {first + 2}"


def test_the_incident_starts_at_the_first_failing_slot_of_the_run() -> None:
    assert trace("SFFF").incidents == ["opened at 2, by 4"]
    assert trace("SFFSFFF").incidents == ["opened at 5, by 7"]


def test_the_incident_tells_cause_and_message_of_the_deciding_slot() -> None:
    *_, opened = trace("SFFF").events
    assert isinstance(opened, IncidentOpened)
    assert (opened.cause, opened.message) == (Reason.TIMEOUT, "slot 4")


def test_a_run_shorter_than_the_threshold_leaves_no_trace() -> None:
    assert trace("S FFS FFD S").incidents == []
    assert trace("SFFS").state == CheckState(START + MINUTE, Status.UP)


def test_the_success_threshold_brings_a_check_back_up() -> None:
    assert trace("SFFF S").shown.endswith("DOWN DOWN")
    assert trace("SFFF SS").changes[-1] == "DOWN->UP at 5, by 6"


def test_the_incident_ends_at_the_first_succeeding_slot_of_the_run() -> None:
    assert trace("SFFF SF SS").incidents == ["opened at 2, by 4", "resolved at 7, by 8"]


def test_a_failure_between_successes_starts_the_way_back_anew() -> None:
    assert trace("SFFF SFSFSF").state == CheckState(START + 2 * MINUTE, Status.DOWN)


def test_further_failures_add_nothing_to_a_check_that_is_down() -> None:
    assert trace("SFFF FFFF").events == trace("SFFF").events


def test_further_successes_add_nothing_to_a_check_that_is_up() -> None:
    assert trace("SSSS").changes == ["PENDING->UP at 1, by 1"]
    assert trace("SSSS").state.since == START + MINUTE


def test_degraded_follows_each_slot_and_opens_no_incident() -> None:
    assert trace("SDDSD").shown == "UP DEGRADED DEGRADED UP DEGRADED"
    assert trace("SDDDDDD").incidents == []


def test_degraded_counts_as_success_on_the_way_back() -> None:
    assert trace("SFFF DS").changes[-1] == "DOWN->UP at 5, by 6"
    assert trace("SFFF SD").changes[-1] == "DOWN->DEGRADED at 5, by 6"
    assert trace("SFFF DD").incidents[-1] == "resolved at 5, by 6"


def test_degraded_ends_a_run_of_failures() -> None:
    assert trace("SFFDFF").incidents == []


def test_thresholds_of_one_decide_at_once() -> None:
    flapping = trace("SFSF", ONE_EACH)
    assert flapping.shown == "UP DOWN UP DOWN"
    assert flapping.incidents == ["opened at 2, by 2", "resolved at 3, by 3", "opened at 4, by 4"]


@UNDECIDED
@pytest.mark.parametrize(
    ("before", "status"), [("", "PENDING"), ("S", "UP"), ("SF", "UP"), ("D", "DEGRADED"), ("FFF", "DOWN")]
)
def test_an_undecided_slot_lays_unknown_over_every_status(before: str, status: str, undecided: str) -> None:
    slot = len(before) + 1
    assert trace(before + undecided).changes[-1] == f"{status}->UNKNOWN at {slot}, by {slot}"


@UNDECIDED
def test_undecided_slots_alone_never_take_a_check_down(undecided: str) -> None:
    assert trace("S" + 20 * undecided).changes == ["PENDING->UP at 1, by 1", "UP->UNKNOWN at 2, by 2"]


@UNDECIDED
def test_the_run_of_failures_goes_on_after_an_undecided_slot(undecided: str) -> None:
    assert trace(f"S F {undecided} F {undecided} F").incidents == ["opened at 2, by 6"]


@UNDECIDED
def test_the_run_of_successes_goes_on_after_an_undecided_slot(undecided: str) -> None:
    assert trace(f"FFF S {undecided} S").incidents[-1] == "resolved at 4, by 6"


@UNDECIDED
def test_an_undecided_slot_counts_for_no_run(undecided: str) -> None:
    assert trace(f"S FF {undecided}").incidents == []
    assert trace(f"FFF S {undecided}").incidents == ["opened at 1, by 3"]


def test_the_next_decided_slot_lifts_unknown_to_what_was_decided() -> None:
    assert trace("SMS").shown == "UP UNKNOWN UP"
    assert trace("SMF").shown == "UP UNKNOWN UP"
    assert trace("FFFMF").shown.endswith("DOWN UNKNOWN DOWN")
    assert trace("FFFMS").shown.endswith("DOWN UNKNOWN DOWN")
    assert trace("MF").shown == "UNKNOWN PENDING"


def test_unknown_lifts_straight_to_a_new_status_when_the_slot_decides_it() -> None:
    assert trace("SMD").changes[-1] == "UNKNOWN->DEGRADED at 3, by 3"
    assert trace("SFFMF").changes[-1] == "UNKNOWN->DOWN at 5, by 5"
    assert trace("FFFSMS").changes[-1] == "UNKNOWN->UP at 6, by 6"


def test_what_was_shown_as_unknown_stays_unknown() -> None:
    assert trace("S FMFF").changes[-3:] == [
        "UP->UNKNOWN at 3, by 3",
        "UNKNOWN->UP at 4, by 4",
        "UP->DOWN at 4, by 5",
    ]


def test_an_incident_stays_open_under_unknown() -> None:
    assert trace("FFF MMM FF").incidents == ["opened at 1, by 3"]
    assert trace("FFF MMM SS").incidents == ["opened at 1, by 3", "resolved at 7, by 8"]


def test_a_gap_folds_as_its_first_slot_alone() -> None:
    whole, first = trace("SFFM" + 50 * "M"), trace("SFFM")
    assert (whole.state, whole.events) == (first.state, first.events)


def test_a_status_change_says_why_the_new_status_is_shown() -> None:
    reasons = [event.reason for event in trace("S M FFF").events if isinstance(event, StatusChanged)]
    assert reasons == [None, Reason.LEASE_EXPIRED, None, Reason.TIMEOUT]


def test_new_thresholds_go_on_from_the_run_so_far() -> None:
    edited = trace("SFF").fold("F", Thresholds(failure=5)).fold("F", Thresholds(failure=4))
    assert edited.incidents == ["opened at 2, by 5"]


def test_a_lower_threshold_decides_at_the_next_slot_and_never_without_one() -> None:
    edited = trace("SFFFF", Thresholds(failure=9))
    assert edited.state.status is Status.UP
    assert edited.fold("S", ONE_EACH).incidents == []
    assert edited.fold("F", ONE_EACH).incidents == ["opened at 7, by 7"]


def test_a_check_begun_anew_knows_nothing_of_the_run_before() -> None:
    begun_anew = CheckState(since=START + 3 * MINUTE)
    assert Trace(begun_anew, minute=3).fold("FF").shown == "PENDING PENDING"
    assert Trace(begun_anew, minute=3).fold("FFF").incidents == ["opened at 4, by 6"]


TWO_OF_FOUR = Thresholds(failure=2, success=2, window=4)


def test_some_failing_slots_of_the_window_take_a_check_down() -> None:
    assert trace("SFSSF", TWO_OF_FOUR).changes[-1] == "UP->DOWN at 2, by 5"
    assert trace("SFSSF", TWO_OF_FOUR).incidents == ["opened at 2, by 5"]
    assert trace("FSF", TWO_OF_FOUR).incidents == ["opened at 1, by 3"]


def test_a_failing_slot_that_left_the_window_counts_no_more() -> None:
    assert trace("SFSSSF", TWO_OF_FOUR).incidents == []
    assert trace("SFSSSF SF", TWO_OF_FOUR).incidents == ["opened at 6, by 8"]


def test_undecided_slots_take_no_room_in_the_window() -> None:
    assert trace("SF SMUBIMS F", TWO_OF_FOUR).incidents == ["opened at 2, by 10"]


def test_degraded_slots_are_shown_and_count_as_successes_of_the_window() -> None:
    assert trace("SFDDDF", TWO_OF_FOUR).incidents == []
    assert trace("SFDF", TWO_OF_FOUR).shown == "UP UP DEGRADED DOWN"


def test_the_way_back_takes_successes_in_a_row_and_the_window_begins_anew() -> None:
    back = trace("FF SFSS", TWO_OF_FOUR)
    assert back.incidents == ["opened at 1, by 2", "resolved at 5, by 6"]
    assert back.fold("F", TWO_OF_FOUR).state.status is Status.UP


def test_a_window_whose_failures_are_gone_leaves_no_trace() -> None:
    assert trace("SFSSSS", TWO_OF_FOUR).state == CheckState(START + MINUTE, Status.UP)


def test_a_new_window_goes_on_from_the_run_so_far() -> None:
    assert trace("SFF").fold("SF", Thresholds(failure=3, window=5)).incidents == ["opened at 2, by 5"]


def test_without_the_window_only_the_run_at_its_end_counts() -> None:
    edited = trace("SFSFF", Thresholds(failure=4, window=9))
    assert edited.fold("F").incidents == ["opened at 4, by 6"]
    assert trace("SFFS", Thresholds(failure=4, window=9)).fold("FF").incidents == []


def test_without_the_window_a_success_leaves_nothing_of_it() -> None:
    edited = trace("SFF", Thresholds(failure=4, window=9)).fold("S")
    assert edited.state == CheckState(START + MINUTE, Status.UP)
    assert edited.fold("FF").incidents == []


@pytest.mark.parametrize("decided", [Status.PENDING, Status.UP, Status.DEGRADED, Status.DOWN])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_slot_leaves_a_state_at_rest_as_it_is_exactly_if_it_confirms_its_status(
    decided: Status, outcome: Outcome
) -> None:
    state = CheckState(since=START, decided=decided)
    unchanged = observe(state, SlotResult(START + MINUTE, outcome), DEFAULTS) == (state, ())
    assert unchanged == (confirmed_status(outcome) is decided)
