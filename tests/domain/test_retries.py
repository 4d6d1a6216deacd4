"""Retries within a run: their limits, and that all attempts fit into the slot."""

from datetime import timedelta
from typing import Any, cast

import pytest

from tests.domain.test_definitions import defined
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.retries import NO_RETRIES, Retries, RetriesFields


def retries(attempts: int = 2, delay_seconds: float | None = None, backoff: float | None = None) -> RetriesFields:
    return {"attempts": attempts, "delay_seconds": delay_seconds, "backoff": backoff}


def accepted(**fields: Any) -> Retries:
    definition, wrong = defined(cast("DefinitionFields", fields))
    assert definition is not None, wrong
    return definition.retries


def test_each_delay_is_longer_than_the_one_before() -> None:
    three = Retries(3, timedelta(seconds=2), 1.5)
    assert [three.delay_before(retry).total_seconds() for retry in range(3)] == [2, 3, 4.5]
    assert three.longest_run(timedelta(seconds=1)) == timedelta(seconds=4 + 9.5)


def test_without_retries_a_run_is_one_probe() -> None:
    assert accepted() == NO_RETRIES
    assert NO_RETRIES.longest_run(timedelta(seconds=3)) == timedelta(seconds=3)


def test_what_is_not_given_has_a_default() -> None:
    assert accepted(retries=retries()) == Retries(2, timedelta(seconds=1), 1.0)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (retries(attempts=6), "retries.attempts"),
        (retries(attempts=-1), "retries.attempts"),
        (retries(delay_seconds=-0.1), "retries.delay_seconds"),
        (retries(delay_seconds=30.1), "retries.delay_seconds"),
        (retries(delay_seconds=float("nan")), "retries.delay_seconds"),
        (retries(backoff=0.9), "retries.backoff"),
        (retries(backoff=4.1), "retries.backoff"),
    ],
)
def test_what_is_beyond_the_limits_is_named(given: RetriesFields, path: str) -> None:
    assert defined({"retries": given}) == (None, {path})


@pytest.mark.parametrize(
    "fields",
    [
        {"retries": retries(2, 1.0), "timeout_seconds": 4, "interval_seconds": 13},
        {"retries": retries(5, 30.0)},
        {"retries": retries(5, 1.0, 4.0), "interval_seconds": 86400},
        {"retries": retries(1, 1.0), "interval_seconds": 1},
        {"retries": retries(5, 0.0), "timeout_seconds": 11, "schedule": {"cron": "0 * * * *", "time_zone": "UTC"}},
    ],
)
def test_a_run_that_is_longer_than_its_slot_is_refused(fields: DefinitionFields) -> None:
    assert defined(fields) == (None, {"retries"})


def test_a_run_may_fill_its_interval() -> None:
    assert accepted(retries=retries(2, 1.0), timeout_seconds=4, interval_seconds=14).attempts == 2


def test_a_timeout_that_is_not_given_leaves_room_for_all_attempts() -> None:
    definition, _ = defined({"retries": retries(2, 1.0), "interval_seconds": 10})
    assert definition is not None
    assert definition.timeout == timedelta(milliseconds=2666)
