"""Histograms of durations and their percentiles."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.latency import BOUNDARIES, BUCKETS, DIGITS, MICROSECOND, RATIO, bucket_of, percentile, unpack

SHORTEST, LONGEST = BOUNDARIES[0], BOUNDARIES[-1]
within = st.lists(st.integers(SHORTEST, LONGEST - 1), min_size=1, max_size=300)
percents = st.integers(0, 100)


def histogram(microseconds: list[int]) -> list[int]:
    counts = Counter(bucket_of(number * MICROSECOND) for number in microseconds)
    return [counts[bucket] for bucket in range(BUCKETS)]


def exact(microseconds: list[int], percent: int) -> int:
    rank = max(1, -(-len(microseconds) * percent // 100))
    return sorted(microseconds)[rank - 1]


@given(within, percents)
def test_a_percentile_is_off_by_the_ratio_of_two_boundaries_at_most(microseconds: list[int], percent: int) -> None:
    estimate = percentile(histogram(microseconds), percent)
    assert estimate is not None
    # The boundaries are whole microseconds, so two of them may lie half a percent more than the ratio apart.
    assert 1 / (RATIO * 1.005) <= estimate / MICROSECOND / exact(microseconds, percent) <= RATIO * 1.005


@given(within, percents, percents)
def test_a_higher_percentile_is_never_shorter(microseconds: list[int], one: int, other: int) -> None:
    lower, upper = (percentile(histogram(microseconds), percent) for percent in sorted((one, other)))
    assert lower is not None
    assert upper is not None
    assert lower <= upper


@given(within, within)
def test_the_histograms_of_two_halves_add_up_to_that_of_the_whole(one: list[int], other: list[int]) -> None:
    added = [a + b for a, b in zip(histogram(one), histogram(other), strict=True)]
    assert added == histogram(one + other)


@given(st.lists(st.integers(0, 10**DIGITS - 1), min_size=BUCKETS, max_size=BUCKETS))
def test_a_histogram_is_read_back_from_its_digits(counts: list[int]) -> None:
    stored = sum(count * 10 ** (DIGITS * bucket) for bucket, count in enumerate(counts))
    assert unpack(str(stored)) == counts


def test_an_empty_histogram_has_no_percentile() -> None:
    assert percentile(unpack("0"), 50) is None
    assert percentile([], 50) is None


@pytest.mark.parametrize(("duration", "answer"), [(0, SHORTEST), (LONGEST * 9, LONGEST)])
def test_a_duration_beyond_the_boundaries_counts_as_the_nearest(duration: int, answer: int) -> None:
    assert percentile(histogram([duration]), 50) == answer * MICROSECOND


def test_a_boundary_belongs_to_the_bucket_above_it() -> None:
    assert [bucket_of(BOUNDARIES[3] * MICROSECOND), bucket_of((BOUNDARIES[3] - 1) * MICROSECOND)] == [4, 3]


def test_the_boundaries_of_stored_histograms_stay_as_they_are() -> None:
    assert (len(BOUNDARIES), SHORTEST, BOUNDARIES[38], LONGEST) == (78, 100, 102_067, 125_013_221)
    assert timedelta(seconds=120) < LONGEST * MICROSECOND
