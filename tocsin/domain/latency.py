"""Histograms of durations, and the percentiles that they still tell.

Bucket 0 holds what is shorter than the first boundary, the last one what reaches the last boundary. Two histograms
of the same durations, cut anywhere, add up to the histogram of them all.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Final

MICROSECOND: Final = timedelta(microseconds=1)
# How far a percentile may be off, as a factor: it lies in the same bucket as the exact one.
RATIO: Final = 1.2
# In microseconds, 100 us to 125 s. Stored histograms count in these buckets: another list needs another column.
BOUNDARIES: Final = tuple(round(100 * RATIO**step) for step in range(78))
BUCKETS: Final = len(BOUNDARIES) + 1
# A stored histogram is a whole number with this many decimal digits a bucket, the first bucket in the lowest ones.
DIGITS: Final = 12

_EDGES: Final = (BOUNDARIES[0], *BOUNDARIES, BOUNDARIES[-1])


def bucket_of(duration: timedelta) -> int:
    """The bucket that counts a duration; PostgreSQL's `width_bucket` over the boundaries says the same."""
    return bisect_right(BOUNDARIES, duration // MICROSECOND)


def unpack(digits: str) -> list[int]:
    """The counts of all buckets from a stored histogram's decimal digits."""
    padded = digits.zfill(BUCKETS * DIGITS)
    ends = range(len(padded), 0, -DIGITS)
    return [int(padded[end - DIGITS : end]) for end in ends]


def percentile(histogram: Sequence[int], percent: int) -> timedelta | None:
    """The duration that `percent` percent do not exceed, by nearest rank; None for an empty histogram.

    Inside its bucket it is interpolated geometrically. What lies beyond the boundaries is answered with the nearest.
    """
    totals = list(accumulate(histogram))
    if not totals or totals[-1] == 0:
        return None
    rank = max(1, -(-totals[-1] * percent // 100))
    bucket = bisect_left(totals, rank)
    place = (rank - 0.5 - totals[bucket]) / histogram[bucket] + 1
    lower, upper = _EDGES[bucket : bucket + 2]
    return round(lower * math.pow(upper / lower, place)) * MICROSECOND
