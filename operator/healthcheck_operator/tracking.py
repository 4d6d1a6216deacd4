"""Which objects there are, and which of them are to be looked at now or later. Nothing here waits for anybody."""

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final
from uuid import UUID

from healthcheck_operator.reporting import Report
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
    """One object, and what is to be done with it. `refresh_at` is an instant of `time.monotonic()`."""

    healthcheck: HealthCheck
    attempt: Attempt | None = None  # None when it is to be synchronized
    reports: list[Report] = field(default_factory=list)
    is_gone: bool = False
    is_taken: bool = False
    failures: int = 0
    refresh_at: float = field(default_factory=lambda: _soon(REFRESH_SECONDS))
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def is_stale(self) -> bool:
        """Whether it is time to write what passes with every probe."""
        return time.monotonic() >= self.refresh_at


class Tracking:
    """The objects by uid, and a queue of those that are to be looked at, each of them once and by one at a time."""

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

    @property
    def uids(self) -> set[UUID]:
        return set(self._objects)

    def find(self, uid: UUID) -> Tracked | None:
        return self._objects.get(uid)

    def see(self, healthcheck: HealthCheck, *, in_list: bool = False) -> None:
        """Take in an object as it is now. One that tells nothing new costs nothing.

        A watch may lag behind what was read and written since. A list does not, and in a cluster that was put back to
        an earlier state its versions are older.
        """
        tracked = self._objects.get(healthcheck.uid)
        if tracked is None:
            self._objects[healthcheck.uid] = Tracked(healthcheck)
            self._put(healthcheck.uid)
        elif in_list or healthcheck.version >= tracked.healthcheck.version:
            self._see_again(tracked, healthcheck)

    def _see_again(self, tracked: Tracked, healthcheck: HealthCheck) -> None:
        before, tracked.healthcheck = tracked.healthcheck, healthcheck
        if healthcheck.generation != before.generation:
            self.start_anew(tracked)
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

    def see_all(self) -> None:
        """Look again at every object."""
        for uid in self._objects:
            self._put(uid)

    def start_anew(self, tracked: Tracked) -> None:
        """Synchronize an object again."""
        tracked.attempt = None
        self._put(tracked.healthcheck.uid)

    def forget(self, tracked: Tracked) -> None:
        """Drop an object that is gone, and all that was to be done with it."""
        self._stop_timer(tracked)
        self._objects.pop(tracked.healthcheck.uid, None)
        self._waiting.pop(tracked.healthcheck.uid, None)
        if tracked.attempt and tracked.attempt.check_id:
            self._by_check.pop(tracked.attempt.check_id, None)

    def synchronized(self, tracked: Tracked, attempt: Attempt) -> None:
        """Keep what came of an attempt."""
        tracked.attempt = attempt
        if attempt.check_id is not None:
            self._by_check[attempt.check_id] = tracked.healthcheck.uid

    def wrote(self, tracked: Tracked, status: dict[str, object], version: int) -> None:
        """Keep what stands in the object now, unless something later was seen already."""
        tracked.refresh_at = _soon(REFRESH_SECONDS)
        if version >= tracked.healthcheck.version:
            tracked.healthcheck = replace(tracked.healthcheck, status=status, version=version)

    def settle(self, tracked: Tracked) -> None:
        """Nothing is to be done with an object until something happens, or its time comes."""
        attempt = tracked.attempt
        if attempt is not None and attempt.needs_retry:
            self.retry(tracked)
            return
        tracked.failures = 0
        if attempt is not None and attempt.depends_on_others:
            self._later(tracked, random.uniform(*RECHECK_SECONDS))  # noqa: S311 - it spreads load
        else:
            self._later(tracked, max(tracked.refresh_at - time.monotonic(), RECHECK_SECONDS[0]))

    def retry(self, tracked: Tracked, least_seconds: float = 0.0) -> None:
        """Look again soon, and later each time."""
        tracked.failures += 1
        pause = min(_FIRST_RETRY_SECONDS * 2**tracked.failures, _LONGEST_RETRY_SECONDS)
        self._later(tracked, least_seconds + pause * random.uniform(0.5, 1))  # noqa: S311 - it spreads load

    def _later(self, tracked: Tracked, seconds: float) -> None:
        self._stop_timer(tracked)
        tracked.timer = asyncio.get_running_loop().call_later(seconds, self._come_back, tracked)

    def _come_back(self, tracked: Tracked) -> None:
        tracked.timer = None
        if tracked.attempt and (tracked.attempt.needs_retry or tracked.attempt.depends_on_others):
            tracked.attempt = None
        self._put(tracked.healthcheck.uid)

    def _stop_timer(self, tracked: Tracked) -> None:
        if tracked.timer is not None:
            tracked.timer.cancel()
            tracked.timer = None

    def end(self) -> None:
        """Nothing comes back any more."""
        for tracked in self._objects.values():
            self._stop_timer(tracked)

    def _put(self, uid: UUID) -> None:
        self._waiting[uid] = None
        self._arrived.set()

    async def take(self, most: int) -> list[Tracked]:
        """Wait until something is to be looked at, and take up to so many, in the order in which they came.

        Whoever takes them gives them back, and nobody else takes them until then.
        """
        while not (taken := self._free(most)):
            self._arrived.clear()
            await self._arrived.wait()
        for tracked in taken:
            del self._waiting[tracked.healthcheck.uid]
            tracked.is_taken = True
        return taken

    def _free(self, most: int) -> list[Tracked]:
        waiting = (self._objects[uid] for uid in self._waiting)
        return list(islice((tracked for tracked in waiting if not tracked.is_taken), most))

    def give_back(self, taken: Iterable[Tracked]) -> None:
        """Let others take these objects, which may have been put into the queue again."""
        for tracked in taken:
            tracked.is_taken = False
        self._arrived.set()


def _soon(seconds: tuple[float, float]) -> float:
    return time.monotonic() + random.uniform(*seconds)  # noqa: S311 - it spreads load
