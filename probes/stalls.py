"""Notice when this process was held up: frozen, asleep with its machine, or short of CPU."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

_BEAT = timedelta(milliseconds=100)
# A loop that comes this late has kept probes waiting for as long; no timeout is so short that less would matter.
_LATE = timedelta(milliseconds=300)


class StallWatch:
    """Knows when the event loop stood still last, by a clock that goes on while the process does not."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._looked_at = now()
        self._stalled_at: datetime | None = None

    async def run(self) -> None:
        """Look often, until cancelled."""
        self._looked_at = self._now()
        while True:
            await asyncio.sleep(_BEAT.total_seconds())
            self._look()

    def _look(self) -> None:
        now = self._now()
        if now - self._looked_at > _BEAT + _LATE:
            self._stalled_at = now
        self._looked_at = now

    def since(self, instant: datetime) -> bool:
        """Whether it stood still at some time since the instant, be it until just now."""
        self._look()
        return self._stalled_at is not None and self._stalled_at >= instant
