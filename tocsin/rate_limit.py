"""A bucket for each token, key or address: a burst is fine, a loop that never ends is not."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import timedelta

from tocsin.domain.errors import RateLimitedError

MUTATIONS_PER_SECOND = 50
BURST = 200
# More of them than this in use at once cost the idlest of them its memory, which is a full bucket.
_KEPT = 10_000


class RateLimiter:
    """Counts in this process alone, so several processes allow as many times the rate."""

    def __init__(
        self, per_second: float = MUTATIONS_PER_SECOND, burst: int = BURST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # left, when

    def take(self, who: Hashable) -> None:
        """Take one from the bucket. Raises RateLimitedError when it is empty."""
        now = self._clock()
        left, at = self._buckets.pop(who, (float(self._burst), now))
        left = min(self._burst, left + (now - at) * self._per_second)
        self._keep(who, max(left - 1, 0) if left >= 1 else left, now)
        if left < 1:
            raise RateLimitedError(timedelta(seconds=(1 - left) / self._per_second))

    def _keep(self, who: Hashable, left: float, now: float) -> None:
        self._buckets[who] = (left, now)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
