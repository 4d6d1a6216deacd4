"""Conditions as they stand in a status."""

from datetime import UTC, datetime, timedelta

from healthcheck_operator.conditions import Condition, Truth, written

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
TRUE = Condition("Ready", Truth.TRUE, "Scheduled")
FALSE = Condition("Ready", Truth.FALSE, "InvalidSpec")


def test_a_new_condition_began_now() -> None:
    (condition,) = written([TRUE], [], 1, NOON)
    assert condition["lastTransitionTime"] == "2026-11-21T12:00:00Z"


def test_another_reason_does_not_move_the_transition() -> None:
    before = written([FALSE], [], 1, NOON)
    (condition,) = written([Condition("Ready", Truth.FALSE, "NotFound")], before, 2, LATER)
    assert (condition["lastTransitionTime"], condition["reason"]) == ("2026-11-21T12:00:00Z", "NotFound")


def test_another_status_moves_the_transition() -> None:
    (condition,) = written([FALSE], written([TRUE], [], 1, NOON), 1, LATER)
    assert condition["lastTransitionTime"] == "2026-11-21T12:05:00Z"


def test_a_condition_says_of_which_generation_it_speaks() -> None:
    (condition,) = written([TRUE], [], 7, NOON)
    assert condition["observedGeneration"] == 7
