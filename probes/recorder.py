"""Record results in micro-batches as they arrive, so that a slow target delays nobody, and lose none."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import structlog

from probes.metrics import MISSED, PROBES_UNDER_WAY, RESULT_LAG
from probes.storing import is_refusal, store
from tocsin.clock import PlatformClock
from tocsin.database import Pool
from tocsin.domain.observations import Outcome
from tocsin.running import DATABASE_ERRORS, lent, survive
from tocsin.services.leases import Lease, complete
from tocsin.services.recording import Result, record

Ring = Callable[[Collection[int]], Awaitable[None]]
"""Tells whoever listens that these organizations have news."""

# What arrives within this time is recorded together.
GATHER_SECONDS = 0.05
# The answers to so many fit into the buffers of a connection: PostgreSQL cannot end the transaction of a process that
# is frozen and does not read them.
MOST_AT_ONCE = 500
_RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class HeldBatch:
    """A batch that this worker holds, and how many of its slots are not begun and not recorded yet."""

    lease: Lease
    unbegun: int
    unrecorded: int


@dataclass(frozen=True, slots=True)
class _Ended:
    result: Result
    batch: HeldBatch
    monotonic: float


class Recorder:
    """Takes results and brings them into the database. While it is away, they wait here."""

    def __init__(self, pool: Pool, clock: PlatformClock, ring: Ring) -> None:
        self._pool = pool
        self._clock = clock
        self._ring = ring
        self._ended: deque[_Ended] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, result: Result, batch: HeldBatch) -> None:
        """Take a result; it is recorded soon."""
        self._ended.append(_Ended(result, batch, asyncio.get_running_loop().time()))
        self._idle.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GATHER_SECONDS)
            await self._flush([self._ended.popleft() for _ in range(min(len(self._ended), MOST_AT_ONCE))])
            if not self._ended:
                self._arrived.clear()
                self._idle.set()

    async def drained(self) -> None:
        """Wait until everything that was added is stored."""
        await self._idle.wait()

    async def _flush(self, ended: Sequence[_Ended]) -> None:
        organization_ids = await store([each.result for each in ended], self._write)
        self._measure(ended)
        await self._complete(ended)
        await self._ring(organization_ids)

    async def _write(self, results: Sequence[Result]) -> set[int]:
        """Store the results, however long the database is away; return the organizations that have news."""
        attempt = 0
        while True:
            try:
                async with lent(self._pool) as connection:
                    return set(await record(connection, results, self._clock.now()))
            except DATABASE_ERRORS as exc:
                if is_refusal(exc):
                    raise
                if attempt == len(_RETRY_SECONDS):
                    _logger.warning(
                        "results_are_waiting", error=type(exc).__name__, detail=str(exc), count=len(results)
                    )
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1

    async def _complete(self, ended: Sequence[_Ended]) -> None:
        for each in ended:
            each.batch.unrecorded -= 1
        leases = {each.batch.lease for each in ended if each.batch.unrecorded == 0}
        if leases:
            # If not, the sweeper does it.
            await survive(self._complete_leases(leases), "batches_not_completed")

    async def _complete_leases(self, leases: Collection[Lease]) -> None:
        async with lent(self._pool) as connection:
            await complete(connection, sorted(leases, key=lambda lease: lease.batch_id))

    def _measure(self, ended: Sequence[_Ended]) -> None:
        now = asyncio.get_running_loop().time()
        PROBES_UNDER_WAY.dec(len(ended))
        for each in ended:
            RESULT_LAG.observe(now - each.monotonic)
            if each.result.observation.outcome is Outcome.MISSED:
                MISSED.labels(each.result.observation.reason).inc()
