"""From a report to its row: many reports are stored in one transaction, and wait while the database is away."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice
from time import monotonic
from typing import Final

import asyncpg
import structlog

from receiver.metrics import WAITING
from tocsin.clock import PlatformClock
from tocsin.database import Connection, Pool
from tocsin.pulse import Pulse
from tocsin.running import lent, log_internal_error, survive
from tocsin.services.reporting import Incoming, show_reception, store_reports

# Of 10 kB at most; what is beyond it is refused, so that clients try again.
MOST_WAITING: Final = 5_000
# How long a client waits before it is told that its report is kept, but not stored yet.
ANSWER_SECONDS: Final = 2.0
_MOST_AT_ONCE: Final = 200
_STORE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5
_SHOW_SECONDS: Final = 1.0
_KNOWN_KEYS: Final = 50_000
# PostgreSQL refuses what it cannot hold with the one, asyncpg what it cannot encode with the other.
_UNSTORABLE: Final = (asyncpg.DataError, ValueError)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Taken(StrEnum):
    """What became of a report."""

    STORED = "stored"
    KEPT = "kept"  # in memory, until the database is back
    UNKNOWN = "unknown"  # nobody has the key
    REFUSED = "refused"  # the database is away, and there is no room, or it is not known whose key it is


@dataclass(eq=False)
class _Waiting:
    """A report on its way, and who waits for its answer."""

    incoming: Incoming
    answer: asyncio.Future[Taken] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    withdrawn: bool = False

    def say(self, taken: Taken) -> None:
        if not self.answer.done():
            self.answer.set_result(taken)


class Intake:
    """Takes reports. What it says was taken is stored, or is kept for as long as this process lives."""

    def __init__(self, clock: PlatformClock, pulse: Pulse) -> None:
        self._clock = clock
        self._pulse = pulse
        self._waiting: deque[_Waiting] = deque()
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._wanted = asyncio.Event()
        self._receiving_since: datetime | None = None
        self._show_at = 0.0

    def now(self) -> datetime:
        """The platform's time."""
        return self._clock.now()

    def knows(self, key_hash: bytes) -> bool:
        """Whether somebody had this key when it was last seen."""
        return key_hash in self._known

    async def take(self, incoming: Incoming) -> Taken:
        """Take a report, and say what became of it once that is known, or after two seconds."""
        if len(self._waiting) >= MOST_WAITING:
            return self._refuse()
        waiting = _Waiting(incoming)
        self._waiting.append(waiting)
        WAITING.set(len(self._waiting))
        self._wanted.set()
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(waiting.answer), ANSWER_SECONDS)
        if self.knows(incoming.key_hash):
            return Taken.KEPT
        waiting.withdrawn = True
        return self._refuse()

    def _refuse(self) -> Taken:
        # What is refused may not come again, so reports could not come in until now.
        self._receiving_since = None
        return Taken.REFUSED

    async def run(self, pool: Pool) -> None:
        """Store what comes until cancelled, and then what is left."""
        self._wanted.set()  # The clock is read at once.
        try:
            while True:
                await self._store_next(pool)
        finally:
            self._show_at = 0.0
            await survive(self._store_all(pool), "reports_not_stored")
            if lost := len(self._waiting):
                _logger.error("reports_lost", count=lost)

    async def _store_next(self, pool: Pool) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), _SHOW_SECONDS)
        self._wanted.clear()
        self._pulse.beat()
        if not await survive(self._store_all(pool), "reports_not_stored"):
            self._answer_without_database()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _store_all(self, pool: Pool) -> None:
        while self._waiting or monotonic() >= self._show_at:
            # No longer for many of them: a connection that is lent for too long is cut.
            async with lent(pool, _STORE_SECONDS) as connection:
                await self._store_some(connection)
                if monotonic() >= self._show_at:
                    await self._show(connection)

    async def _show(self, connection: Connection) -> None:
        now = await self._clock.read(connection)
        stored_until = self._waiting[0].incoming.report.received_at if self._waiting else now
        self._receiving_since = self._receiving_since or stored_until
        await show_reception(connection, self._receiving_since, stored_until)
        self._show_at = monotonic() + _SHOW_SECONDS

    async def _store_some(self, connection: Connection) -> None:
        if not self._waiting:
            return
        some = list(islice(self._waiting, _MOST_AT_ONCE))
        known = await _store([waiting for waiting in some if not waiting.withdrawn], connection)
        for waiting in some:
            self._waiting.popleft()
            self._answer(waiting, known)
        WAITING.set(len(self._waiting))

    def _answer(self, waiting: _Waiting, known: Collection[bytes]) -> None:
        key_hash = waiting.incoming.key_hash
        self._known.pop(key_hash, None)
        if key_hash in known:
            self._known[key_hash] = None
            if len(self._known) > _KNOWN_KEYS:
                self._known.popitem(last=False)
        waiting.say(Taken.STORED if key_hash in known else Taken.UNKNOWN)

    def _answer_without_database(self) -> None:
        """Keep what known keys have reported, and let the others try again."""
        kept = [waiting for waiting in self._waiting if self.knows(waiting.incoming.key_hash)]
        for waiting in self._waiting:
            waiting.say(Taken.KEPT if self.knows(waiting.incoming.key_hash) else self._refuse())
        self._waiting = deque(kept)
        WAITING.set(len(kept))


async def _store(some: Sequence[_Waiting], connection: Connection) -> set[bytes]:
    """Store what can be stored: what cannot takes no other with it. Returns the hashes of the known keys."""
    try:
        return await store_reports(connection, [waiting.incoming for waiting in some])
    except _UNSTORABLE as exc:
        if len(some) == 1:
            log_internal_error("report_cannot_be_stored", exc)
            return set()
    half = len(some) // 2
    return await _store(some[:half], connection) | await _store(some[half:], connection)
