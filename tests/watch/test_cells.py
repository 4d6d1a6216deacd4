"""How single values look."""

from datetime import datetime, timedelta, timezone

import pytest

from tests.watch.known import NOON, check, result
from tocsin.watch import cells
from tocsin.watch.model import Result


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m00s"),
        (192, "3m12s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (86_399, "23h59m"),
        (86_400, "1d00h"),
        (99 * 86_400 + 5, "99d00h"),
        (100 * 86_400, "100d"),
    ],
)
def test_ages_have_two_units_and_six_characters(seconds: float, shown: str) -> None:
    assert cells.age(timedelta(seconds=seconds)) == shown
    assert len(shown) <= 6


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0.04, "0.0 ms"),
        (9.94, "9.9 ms"),
        (9.96, "10 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (12_345, "12.35 s"),
        (99_999, "100 s"),
    ],
)
def test_latencies_have_seven_characters(milliseconds: float, shown: str) -> None:
    assert cells.latency(timedelta(milliseconds=milliseconds)) == shown
    assert len(shown) <= 7


def test_what_was_not_probed_has_no_latency() -> None:
    assert cells.latency(None) == "-"


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100%"), (0.999999, "99.99%"), (0.5, "50.00%"), (0.0, "0.00%"), (None, "-")]
)
def test_an_uptime_is_never_rounded_up(share: float | None, shown: str) -> None:
    assert cells.percentage(share) == shown


def test_an_instant_is_shown_in_the_zone_of_the_reader() -> None:
    now = datetime(2026, 1, 1, 15, tzinfo=timezone(timedelta(hours=2)))
    assert cells.clock(NOON, now) == "14:00:00"
    assert cells.clock(NOON - timedelta(days=1), now) == "31 Dec"


def test_a_sparkline_is_as_high_as_the_slowest_and_ends_with_the_newest() -> None:
    results = [result(1, milliseconds=10), result(2, milliseconds=80), result(3, milliseconds=40)]
    assert cells.sparkline(results).plain == " " * 17 + "▂█▅"


def test_a_sparkline_marks_what_did_not_succeed() -> None:
    results = [result(1), result(2, "FAILURE"), Result(NOON, "MISSED"), result(4, "UNKNOWN"), result(5, "DEGRADED")]
    assert cells.sparkline(results).plain.strip() == "█✗·?█"


def test_a_sparkline_of_nothing_is_as_wide_as_others() -> None:
    assert cells.sparkline([]).plain == " " * 20


def test_every_status_has_a_sign_of_its_own() -> None:
    statuses = ["DOWN", "UNKNOWN", "DEGRADED", "PENDING", "UP", "PAUSED"]
    assert len({cells.sign(status).plain for status in statuses}) == len(statuses)
    assert sorted(statuses, key=cells.rank) == statuses


def test_a_status_of_a_later_version_can_be_shown() -> None:
    assert cells.sign("MAINTENANCE").plain == "?"
    assert cells.rank("MAINTENANCE") < cells.rank("UP")


def test_the_last_result_says_why_it_failed() -> None:
    failed = result(1, "FAILURE", reason="TIMEOUT", message="no answer in 10 s")
    assert cells.last_words(check(1, results=(result(0), failed))).plain == "TIMEOUT: no answer in 10 s"


def test_the_last_result_says_what_it_can() -> None:
    assert cells.last_words(check(1)).plain == "no result yet"
    assert cells.last_words(check(1, results=(result(0, status_code=204),))).plain == "HTTP 204"
    assert cells.last_words(check(1, results=(result(0, "UNKNOWN"),))).plain == "UNKNOWN"
