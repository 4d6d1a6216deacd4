"""Which failures of a check are worth their bytes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from probes.evidence_ration import EvidenceRation
from tests.probes.conftest import STARTED_AT
from tocsin.domain.observations import Observation, Outcome, Reason

MINUTE = 60.0


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000 * MINUTE

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ration(clock: Clock) -> EvidenceRation:
    return EvidenceRation(clock)


def seen(
    outcome: Outcome = Outcome.FAILURE,
    reason: Reason | None = Reason.STATUS,
    message: str = "got 503",
    attempts: int = 1,
) -> Observation:
    return Observation(outcome, STARTED_AT, timedelta(0), reason, message, attempts=attempts)


GOOD = seen(Outcome.SUCCESS, None)


def kept(ration: EvidenceRation, check_id: int, revision: int, one: Observation) -> bool:
    """As a worker does: what is allowed is kept."""
    if allowed := ration.allows(check_id, revision, one):
        ration.count(check_id, revision, replace(one, evidence="x" * 2048))
    return allowed


def test_the_first_failure_of_each_check_is(ration: EvidenceRation) -> None:
    assert [kept(ration, check_id, 1, seen()) for check_id in (1, 2, 1)] == [True, True, False]


@pytest.mark.parametrize(
    ("next_one", "after_seconds"),
    [(seen(), 600), (seen(message="got 500"), 60), (seen(reason=Reason.TIMEOUT), 10)],
)
def test_the_more_it_differs_the_sooner_the_next_one_is(
    ration: EvidenceRation, clock: Clock, next_one: Observation, after_seconds: float
) -> None:
    kept(ration, 1, 1, seen())
    clock.now += after_seconds - 0.1
    assert not kept(ration, 1, 1, next_one)
    clock.now += 0.1
    assert kept(ration, 1, 1, next_one)


def test_the_first_failure_after_a_recovery_is(ration: EvidenceRation, clock: Clock) -> None:
    kept(ration, 1, 1, seen())
    kept(ration, 1, 1, GOOD)
    clock.now += 10
    assert kept(ration, 1, 1, seen())


def test_the_first_failure_after_an_edit_or_a_pause_is(ration: EvidenceRation, clock: Clock) -> None:
    kept(ration, 1, 1, seen())
    clock.now += 10
    assert kept(ration, 1, 2, seen())


@pytest.mark.parametrize(
    ("one", "is_kept"),
    [
        (GOOD, False),
        (seen(Outcome.UNKNOWN, Reason.TARGET_BLOCKED), False),
        (seen(Outcome.MISSED, Reason.LEASE_EXPIRED), False),
        (seen(Outcome.DEGRADED, Reason.ASSERTION), True),
        (seen(Outcome.SUCCESS, None, attempts=2), True),
    ],
)
def test_what_failed_at_any_attempt_is(ration: EvidenceRation, one: Observation, *, is_kept: bool) -> None:
    assert kept(ration, 1, 1, one) is is_kept


def test_a_failure_of_which_there_was_nothing_to_keep_does_not_count(ration: EvidenceRation) -> None:
    ration.count(1, 1, seen())
    assert ration.allows(1, 1, seen())


def test_a_storm_ends_at_so_many_bytes_a_minute(ration: EvidenceRation, clock: Clock) -> None:
    assert sum(kept(ration, check_id, 1, seen()) for check_id in range(20_000)) == 8192
    clock.now += MINUTE
    assert kept(ration, 19_999, 1, seen())
