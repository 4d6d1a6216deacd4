"""Durations, as Go writes them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcheck_operator.durations import format_duration, parse_duration

DURATIONS = st.timedeltas(timedelta(), timedelta(days=1000))


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("60s", timedelta(seconds=60)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("500ms", timedelta(milliseconds=500)),
        ("1.5h", timedelta(minutes=90)),
        ("0.1s", timedelta(milliseconds=100)),
        ("1m1m", timedelta(minutes=2)),
        ("24h", timedelta(days=1)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "60", "s", "60 s", "-5s", "+5s", "1d", "1H", "5µs", ".5s", "5.s", "٦s", "5s\n", "9" * 21 + "s"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="such as 500ms, 60s, 5m or 1h30m"):
        parse_duration(text)


def test_a_duration_longer_than_any_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration("9999999999999999999h")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=1, seconds=1), "24h1s"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(milliseconds=12), "12ms"),
        (timedelta(microseconds=1234), "1.234ms"),
        (timedelta(seconds=2, microseconds=1), "2.000001s"),
    ],
)
def test_a_duration_is_written_with_its_largest_units_first(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


def test_a_negative_duration_is_not_written() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_duration(timedelta(seconds=-1))


@given(DURATIONS)
def test_what_is_written_is_read_as_it_was(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["h", "m", "s", "ms"])), min_size=1, max_size=4))
def test_the_parts_of_a_duration_add_up(parts: list[tuple[int, str]]) -> None:
    texts = [f"{count}{unit}" for count, unit in parts]
    assert parse_duration("".join(texts)) == sum(map(parse_duration, texts), timedelta())
