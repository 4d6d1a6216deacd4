"""How long a check's target was up, and how that becomes one figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from tocsin.domain.status import Status

TIME_FORMULA: Final = "(up + degraded) / (up + degraded + down)"
COUNT_FORMULA: Final = "(successes + degraded) / (successes + degraded + failures)"


@dataclass(frozen=True, slots=True)
class StatusTimes:
    """How long each status was shown in a window; together they are the window.

    `excluded` is the time in which nothing was decided: pending, paused, before the creation, after the deletion.
    """

    up: timedelta
    degraded: timedelta
    down: timedelta
    unknown: timedelta
    excluded: timedelta

    @property
    def uptime(self) -> float | None:
        """From 0 to 1, by TIME_FORMULA; None when no time was decided."""
        good = self.up + self.degraded
        decided = good + self.down
        return good / decided if decided else None


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How the slots of a window ended."""

    successes: int = 0
    degraded: int = 0
    failures: int = 0
    missed: int = 0
    unknown: int = 0

    @property
    def uptime(self) -> float | None:
        """From 0 to 1, by COUNT_FORMULA; None when no slot was decided."""
        good = self.successes + self.degraded
        decided = good + self.failures
        return good / decided if decided else None


def status_times(changes: Sequence[tuple[datetime, Status]], since: datetime, until: datetime) -> StatusTimes:
    """Add up a window from all changes of a status, each with when it took effect, in order.

    Before the first, a check is pending.
    """
    edges = [since, *(min(max(at, since), until) for at, _ in changes), until]
    statuses = [Status.PENDING, *(status for _, status in changes)]
    shown: dict[Status, timedelta] = {}
    for status, (start, end) in zip(statuses, pairwise(edges), strict=True):
        shown[status] = shown.get(status, timedelta()) + (end - start)
    return times_of(shown, until - since)


def times_of(shown: Mapping[Status, timedelta], window: timedelta) -> StatusTimes:
    """Name what was shown for how long in a window; what is not named is excluded."""
    up, degraded, down, unknown = (
        shown.get(status, timedelta()) for status in (Status.UP, Status.DEGRADED, Status.DOWN, Status.UNKNOWN)
    )
    return StatusTimes(up, degraded, down, unknown, excluded=window - up - degraded - down - unknown)
