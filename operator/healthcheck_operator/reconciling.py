"""Bring objects, the database and statuses into step: some objects at a time, each step for all of them together."""

import asyncio
from collections.abc import Awaitable, Callable, Container, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from healthcheck_operator import metrics
from healthcheck_operator.cluster import Cluster, ClusterError, MissingObjectError
from healthcheck_operator.observing import observe, with_all
from healthcheck_operator.reporting import reports_of, send_report
from healthcheck_operator.resources import API_VERSION, KIND, path_of
from healthcheck_operator.running import start_run
from healthcheck_operator.statuses import Observed, build_status, differs, is_synced, unobserved_status
from healthcheck_operator.synchronizing import DATABASE_ERRORS, Synchronizer
from healthcheck_operator.tracking import Tracked, Tracking

CHUNK_SIZE: Final = 100
_CHUNKS_AT_ONCE: Final = 2
# Of one chunk; the API server sheds load from those who ask for more.
_CALLS_AT_ONCE: Final = 10

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Reconciler:
    """Works off what is tracked."""

    def __init__(self, cluster: Cluster, synchronizer: Synchronizer, tracking: Tracking) -> None:
        self._cluster = cluster
        self._synchronizer = synchronizer
        self._tracking = tracking

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_CHUNKS_AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            chunk = await self._tracking.take(CHUNK_SIZE)
            try:
                await self.reconcile(chunk)
            finally:
                self._tracking.give_back(chunk)

    async def reconcile(self, chunk: Sequence[Tracked]) -> None:
        """Look at some objects once. What fails is looked at again later."""
        alive = await self._each(chunk, self._synchronize)
        await self._each([tracked for tracked in alive if _needs_retry(tracked)], self._write_unobserved)
        synced = [tracked for tracked in alive if not _needs_retry(tracked)]
        try:
            await self._write_statuses(synced)
        except DATABASE_ERRORS as exc:
            _logger.warning("database_unavailable", objects=len(synced), error=type(exc).__name__)
            await self._each(synced, self._write_unobserved)
        await self._each([tracked for tracked in alive if tracked.reports], self._report)

    async def _each(self, chunk: Sequence[Tracked], work: Callable[[Tracked], Awaitable[bool]]) -> list[Tracked]:
        """Do something with every object, some at once; return those for which it said yes."""
        free = asyncio.Semaphore(_CALLS_AT_ONCE)

        async def do(tracked: Tracked) -> bool:
            async with free:
                return await self._survive(tracked, work)

        said = await asyncio.gather(*map(do, chunk))
        return [tracked for tracked, yes in zip(chunk, said, strict=True) if yes]

    async def _survive(self, tracked: Tracked, work: Callable[[Tracked], Awaitable[bool]]) -> bool:
        try:
            return await work(tracked)
        except MissingObjectError:
            # Its deletion, or the sweep, will tell what becomes of its check.
            self._tracking.settle(tracked)
        except (ClusterError, *DATABASE_ERRORS) as exc:
            metrics.FAILURES.labels(type(exc).__name__).inc()
            _logger.warning("reconcile_failed", object=str(tracked.healthcheck), **told(exc))
            self._tracking.retry(tracked, getattr(exc, "retry_after_seconds", 0.0))
        except Exception:
            # One object that nobody foresaw must not stop the others.
            metrics.FAILURES.labels("unforeseen").inc()
            _logger.exception("reconcile_crashed", object=str(tracked.healthcheck))
            self._tracking.retry(tracked)
        return False

    async def _synchronize(self, tracked: Tracked) -> bool:
        """Bring the database into step; whether there still is an object whose status may be written."""
        if tracked.is_gone:
            await self._synchronizer.let_go(tracked.healthcheck.uid)
            self._tracking.forget(tracked)
            return False
        healthcheck = tracked.healthcheck
        attempt = tracked.attempt or await self._synchronizer.synchronize(healthcheck)
        if tracked.healthcheck.generation != healthcheck.generation:
            # Another one came meanwhile, and stands in the queue.
            return False
        self._tracking.synchronized(tracked, attempt)
        if healthcheck.run_at and attempt.check_id and attempt.organization_id:
            await start_run(self._cluster, healthcheck, attempt.organization_id, attempt.check_id)
        return True

    async def _write_statuses(self, chunk: Sequence[Tracked]) -> None:
        """Write those that differ from what stands in their objects, or whose time has come."""
        rows, now = await observe(_places(chunk)), datetime.now(UTC)
        plain = {check_id: Observed(row) for check_id, row in rows.items()}
        stale = []
        for tracked in chunk:
            if tracked.attempt is None:
                # Another generation came meanwhile, and stands in the queue.
                continue
            if _check_is_missing(tracked, rows):
                self._start_anew(tracked)
            elif tracked.is_stale or differs(_status(tracked, plain, now), tracked.healthcheck.status):
                stale.append(tracked)
            else:
                self._tracking.settle(tracked)
        observed = await with_all(_places(stale), rows)

        async def write(tracked: Tracked) -> bool:
            return tracked.attempt is not None and await self._write(tracked, _status(tracked, observed, now))

        await self._each(stale, write)

    def _start_anew(self, tracked: Tracked) -> None:
        """The database was put back to an earlier state: it has to be told again."""
        self._synchronizer.known.pop(tracked.healthcheck.uid, None)
        tracked.attempt = None
        self._tracking.retry(tracked)

    async def _write_unobserved(self, tracked: Tracked) -> bool:
        """Say that the database is away where something is to be stored; elsewhere nothing changed."""
        attempt = tracked.attempt
        if attempt is not None and attempt.needs_retry and not is_synced(tracked.healthcheck):
            status = unobserved_status(tracked.healthcheck, attempt, datetime.now(UTC))
            if differs(status, tracked.healthcheck.status):
                return await self._write(tracked, status)
        self._tracking.retry(tracked)
        return True

    async def _write(self, tracked: Tracked, status: dict[str, Any]) -> bool:
        healthcheck, before = tracked.healthcheck, tracked.healthcheck.status
        written = await self._cluster.apply(
            f"{path_of(healthcheck.namespace, healthcheck.name)}/status",
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "metadata": {"name": healthcheck.name, "uid": str(healthcheck.uid)},
                "status": status,
            },
        )
        metrics.STATUS_WRITES.inc()
        self._tracking.wrote(tracked, status, int(written["metadata"]["resourceVersion"]))
        self._tracking.settle(tracked)
        tracked.reports += reports_of(status, before)
        return True

    async def _report(self, tracked: Tracked) -> bool:
        """Send events, each once; what the API server does not take now, it may take later."""
        while tracked.reports:
            try:
                await send_report(self._cluster, tracked.healthcheck, tracked.reports[0])
            except ClusterError as exc:
                if exc.is_passing:
                    raise
                _logger.warning("event_refused", object=str(tracked.healthcheck), **told(exc))
            del tracked.reports[0]
        return True


def told(exc: Exception) -> dict[str, object]:
    """What the log says of a failure: the API server's words, but none of the database's, which may repeat rows."""
    if isinstance(exc, ClusterError):
        return {"error": type(exc).__name__, "status_code": exc.status_code, "message": str(exc)}
    return {"error": type(exc).__name__}


def _places(chunk: Sequence[Tracked]) -> list[tuple[int, int]]:
    attempts = [each.attempt for each in chunk]
    return [(a.organization_id, a.check_id) for a in attempts if a and a.organization_id and a.check_id]


def _needs_retry(tracked: Tracked) -> bool:
    return tracked.attempt is not None and tracked.attempt.needs_retry


def _check_is_missing(tracked: Tracked, rows: Container[int]) -> bool:
    return bool(tracked.attempt and tracked.attempt.check_id and tracked.attempt.check_id not in rows)


def _status(tracked: Tracked, observed: dict[int, Observed], now: datetime) -> dict[str, Any]:
    attempt = tracked.attempt
    assert attempt is not None  # noqa: S101 - only synchronized objects come here
    seen = None if attempt.check_id is None else observed.get(attempt.check_id)
    return build_status(tracked.healthcheck, attempt, seen, now)
