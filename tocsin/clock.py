"""The platform's time: the database's clock, carried on between readings and held across its steps backwards."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tocsin.database import Connection

# A tick is planned this long before it begins, so that workers hold its batches when their slots are due.
PLAN_LEAD = timedelta(seconds=1.5)
# Readings differ by the time that they take; what is less than this is no step of the clock.
_STEP = timedelta(milliseconds=500)

_READ = "SELECT clock_timestamp() AS now, (SELECT max(at) FROM ticks) AS newest_tick_at"


def _monotonic() -> float:
    """Seconds since the machine started, also those in which it slept, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class PlatformClock:
    """Tells the platform's time without asking the database each time.

    `held_back` is how far the database's clock stands behind, after a step backwards; time goes on from where it was
    until that clock has caught up. A process that starts in such a time learns it from the newest planned tick.
    """

    def __init__(self, monotonic: Callable[[], float] = _monotonic) -> None:
        self._monotonic = monotonic
        self._zero: datetime | None = None
        self.held_back = timedelta(0)

    def observe(
        self, database_at: datetime, sent: float, received: float, newest_tick_at: datetime | None = None
    ) -> None:
        """Take a reading of the database's clock, made at some moment between two of the monotonic clock, in seconds.

        A slow answer says little: time moves only as far as the reading proves that it must. Were it trusted to have
        been made halfway, a database that hangs would set the clock ahead, and the ticks planned then all others.
        """
        planned_at = database_at if newest_tick_at is None else newest_tick_at - PLAN_LEAD
        earliest = max(database_at, planned_at) - timedelta(seconds=received)
        latest = database_at - timedelta(seconds=sent)
        if self._zero is None or self._zero < earliest:
            self._zero = earliest
        elif self._zero - _STEP < latest < self._zero:
            self._zero = max(earliest, latest)
        behind = self._zero - latest
        self.held_back = behind if behind > _STEP else timedelta(0)

    async def read(self, connection: Connection) -> datetime:
        """Read the database's clock and return the platform's time."""
        sent = self._monotonic()
        row = await connection.fetchrow(_READ)
        assert row is not None  # noqa: S101 - a select without a table always has one row
        self.observe(row["now"], sent, self._monotonic(), row["newest_tick_at"])
        return self.now()

    def now(self) -> datetime:
        """The platform's time. Before the first reading, this machine's."""
        if self._zero is None:
            return datetime.now(UTC)
        return self._zero + timedelta(seconds=self._monotonic())

    def seconds_until(self, instant: datetime) -> float:
        """How long it is until the instant; negative when it has passed."""
        return (instant - self.now()).total_seconds()
