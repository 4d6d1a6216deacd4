"""One term as leader: from an acquired Lease until it is lost, something ends for good, or the process is to stop."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

import kopf
import structlog

from healthcheck_operator import metrics
from healthcheck_operator.cluster import Cluster, MissingObjectError
from healthcheck_operator.handlers import watch
from healthcheck_operator.observing import News
from healthcheck_operator.organizations import Organizations
from healthcheck_operator.reconciling import CLUSTER_ERRORS, Reconciler
from healthcheck_operator.sweeping import SWEEP_SECONDS, Sweeper
from healthcheck_operator.synchronizing import DATABASE_ERRORS, Synchronizer
from healthcheck_operator.tracking import Tracking
from tocsin.encryption import KeyRing
from tocsin.pulse import Pulse
from tocsin.settings import Settings

_NEWS_SECONDS: Final = 1.0
# So many sweeps in a row that find what the watch did not tell mean that it tells nothing any more.
_SWEEPS_OF_A_STALLED_WATCH: Final = 2


class MissingDefinitionError(Exception):
    """The cluster does not know HealthChecks."""

    def __init__(self) -> None:
        super().__init__("the cluster does not know HealthChecks; run `tocsin crd | kubectl apply -f -`")


_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Environment:
    """What all terms of a process share."""

    info: kopf.ConnectionInfo
    cluster: Cluster
    settings: Settings
    pulse: Pulse


class Session:
    """The parts of one term, and what they tell one another."""

    def __init__(self, environment: Environment) -> None:
        settings, cluster = environment.settings.operator, environment.cluster
        self._environment = environment
        self._tracking = Tracking()
        self._synchronizer = Synchronizer(
            cluster,
            settings.cluster,
            Organizations(settings.organizations),
            settings.secret_namespaces,
            KeyRing(environment.settings.encryption.keys),
        )
        self._sweeper = Sweeper(
            cluster, settings.cluster, settings.watched_namespaces, self._synchronizer, self._tracking
        )
        self._reconciler = Reconciler(cluster, self._synchronizer, self._tracking)
        self._listed = asyncio.Event()

    async def run(self, *ending: Coroutine[Any, Any, None]) -> None:
        """Work until one of the parts ends, those of the caller included."""
        await self._load()
        stop = asyncio.Event()
        namespaces = self._environment.settings.operator.watched_namespaces
        watching = watch(self._environment.info, namespaces, self._tracking, self._listed, stop)
        parts = (*ending, self._reconciler.run(), self._sweep(), self._follow_news(), watching)
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            stop.set()
            await _end(tasks)

    async def _load(self) -> None:
        try:
            await self._sweeper.load()
        except DATABASE_ERRORS as exc:
            _logger.warning("database_unavailable", error=type(exc).__name__)

    async def _sweep(self) -> None:
        """Sweep after each list and now and then; end when the watch tells nothing any more."""
        stalled = 0
        while stalled < _SWEEPS_OF_A_STALLED_WATCH:
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._listed.wait()
            except TimeoutError:
                pass
            self._listed.clear()
            stalled = stalled + 1 if await self._sweep_once() else 0
            self._environment.pulse.beat()
        _logger.error("watch_stalled")

    async def _sweep_once(self) -> int:
        metrics.OBJECTS.set(len(self._tracking))
        metrics.WAITING.set(self._tracking.waiting_count)
        try:
            await self._sweeper.load()
            return await self._sweeper.sweep()
        except MissingObjectError as exc:
            raise MissingDefinitionError from exc
        except (*CLUSTER_ERRORS, *DATABASE_ERRORS) as exc:
            _logger.warning("sweep_failed", error=type(exc).__name__)
            return 0

    async def _follow_news(self) -> None:
        news = News()
        while True:
            try:
                organizations = {known.organization_id for known in self._synchronizer.known.values()}
                self._tracking.see_changed(await news.changed_checks(organizations))
            except DATABASE_ERRORS as exc:
                _logger.warning("news_unread", error=type(exc).__name__)
            await asyncio.sleep(_NEWS_SECONDS)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Let the watch, which comes last, end by itself; end the others."""
    for task in tasks[:-1]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
