"""Whether a process goes on with its work, for the orchestrator that would start it anew."""

import time
from collections.abc import Callable
from typing import Final

# A round of work that fails slowly, with partitions to be made at the end of a long gap, takes half of it.
STILL_SECONDS: Final = 120.0


class Pulse:
    """Beats once for each round of a process's main work. It is read from another thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beaten_at: float | None = None

    def beat(self) -> None:
        """Say that a round begins."""
        self._beaten_at = self._clock()

    @property
    def has_begun(self) -> bool:
        """Whether the process has all that its work needs: its database was there once."""
        return self._beaten_at is not None

    @property
    def stands_still(self) -> bool:
        """Whether the work has begun, and no round did for long. A database that is away is no reason."""
        return self._beaten_at is not None and self._clock() - self._beaten_at > STILL_SECONDS
