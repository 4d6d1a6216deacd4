"""Which objects there are, and which of them are to be looked at now or later. Nothing here waits for anybody."""

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from healthcheck_operator.resources import HealthCheck
from healthcheck_operator.statuses import Attempt, differs

# What passes with every probe is written so often; spread, so that thousands of objects do not come at once.
REFRESH_SECONDS: Final = (240.0, 360.0)
# What depends on other objects is looked at again: a Secret that rotates, a Service that appears.
RECHECK_SECONDS: Final = (45.0, 60.0)
_FIRST_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 20.0


@dataclass(slots=True)
class Tracked:
    """One object, and what is to be done with it."""

    healthcheck: HealthCheck
    attempt: Attempt | None = None  # None when it is to be synchronized
    is_gone: bool = False
    refresh: bool = False
    failures: int = 0
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Tracking:
    """The objects by uid, and a queue of those that are to be looked at, each of them once."""

    def __init__(self) -> None:
        self._objects: dict[UUID, Tracked] = {}
        self._by_check: dict[int, UUID] = {}
        self._waiting: dict[UUID, None] = {}
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def find(self, uid: UUID) -> Tracked | None:
        return self._objects.get(uid)

    def see(self, healthcheck: HealthCheck) -> None:
        """Take in an object as it is now. One that tells nothing new costs nothing."""
        tracked = self._objects.get(healthcheck.uid)
        if tracked is None:
            self._objects[healthcheck.uid] = Tracked(healthcheck)
            self._put(healthcheck.uid)
            return
        before, tracked.healthcheck = tracked.healthcheck, healthcheck
        if healthcheck.generation != before.generation:
            tracked.attempt = None
            self._put(healthcheck.uid)
        elif healthcheck.run_at or differs(healthcheck.status, before.status):
            self._put(healthcheck.uid)

    def see_gone(self, uid: UUID) -> None:
        """Take in that an object was deleted."""
        if tracked := self._objects.get(uid):
            tracked.is_gone = True
            self._put(uid)

    def see_changed(self, check_ids: Iterable[int]) -> None:
        """Look again at the objects that own these checks."""
        for check_id in check_ids:
            if uid := self._by_check.get(check_id):
                self._put(uid)

    def forget(self, tracked: Tracked) -> None:
        """Drop an object that is gone, and all that was to be done with it."""
        self._stop_timer(tracked)
        self._objects.pop(tracked.healthcheck.uid, None)
        if tracked.attempt and tracked.attempt.check_id:
            self._by_check.pop(tracked.attempt.check_id, None)

    def synchronized(self, tracked: Tracked, attempt: Attempt) -> None:
        """Keep what came of an attempt."""
        tracked.attempt = attempt
        if attempt.check_id is not None:
            self._by_check[attempt.check_id] = tracked.healthcheck.uid

    def wrote(self, tracked: Tracked, status: dict[str, object]) -> None:
        """Keep what stands in the object now."""
        tracked.healthcheck = replace(tracked.healthcheck, status=status)

    def settle(self, tracked: Tracked) -> None:
        """Nothing is to be done with an object until something happens, or its time comes."""
        tracked.failures, tracked.refresh = 0, False
        attempt = tracked.attempt
        if attempt is not None and attempt.needs_retry:
            self.retry(tracked)
        else:
            again = RECHECK_SECONDS if attempt and attempt.depends_on_others else REFRESH_SECONDS
            self._later(tracked, random.uniform(*again))  # noqa: S311 - it spreads load

    def retry(self, tracked: Tracked) -> None:
        """Look again soon, and later each time."""
        tracked.failures += 1
        pause = min(_FIRST_RETRY_SECONDS * 2**tracked.failures, _LONGEST_RETRY_SECONDS)
        self._later(tracked, pause * random.uniform(0.5, 1))  # noqa: S311 - it spreads load

    def _later(self, tracked: Tracked, seconds: float) -> None:
        self._stop_timer(tracked)
        tracked.timer = asyncio.get_running_loop().call_later(seconds, self._come_back, tracked)

    def _come_back(self, tracked: Tracked) -> None:
        tracked.timer = None
        tracked.refresh = True
        if tracked.attempt and (tracked.attempt.needs_retry or tracked.attempt.depends_on_others):
            tracked.attempt = None
        self._put(tracked.healthcheck.uid)

    def _stop_timer(self, tracked: Tracked) -> None:
        if tracked.timer is not None:
            tracked.timer.cancel()
            tracked.timer = None

    def _put(self, uid: UUID) -> None:
        self._waiting[uid] = None
        self._arrived.set()

    async def take(self, most: int) -> list[Tracked]:
        """Wait until something is to be looked at, and take up to so many, in the order in which they came."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return [self._objects[uid] for uid in self._taken(most) if uid in self._objects]

    def _taken(self, most: int) -> Iterator[UUID]:
        for uid in list(self._waiting)[:most]:
            del self._waiting[uid]
            yield uid
