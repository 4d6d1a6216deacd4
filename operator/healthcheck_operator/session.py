"""One term as leader: from an acquired Lease until it is lost, something ends for good, or the process is to stop."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from healthcheck_operator import metrics
from healthcheck_operator.cluster import Cluster, ClusterError, MissingObjectError
from healthcheck_operator.cluster_name import ClusterName
from healthcheck_operator.handlers import watch
from healthcheck_operator.observing import News
from healthcheck_operator.organizations import Organizations
from healthcheck_operator.reconciling import Reconciler, told
from healthcheck_operator.references import UnresolvedError
from healthcheck_operator.resolving import Resolver
from healthcheck_operator.sweeping import SWEEP_SECONDS, Sweeper
from healthcheck_operator.synchronizing import DATABASE_ERRORS, Synchronizer
from healthcheck_operator.tracking import Tracking
from tocsin.encryption import KeyRing
from tocsin.pulse import Pulse
from tocsin.settings import Settings

_NEWS_SECONDS: Final = 1.0
# Without an object nothing is listed, and without a sweep nobody is ready.
_FIRST_SWEEP_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 5.0
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

    cluster: Cluster
    settings: Settings
    pulse: Pulse


class Session:
    """The parts of one term, and what they tell one another."""

    def __init__(self, environment: Environment) -> None:
        settings, cluster = environment.settings.operator, environment.cluster
        self._environment = environment
        self._tracking = Tracking()
        name = ClusterName(cluster, settings.cluster)
        keys = KeyRing(environment.settings.encryption.keys)
        resolver = Resolver(cluster, settings.secret_namespaces, keys)
        self._synchronizer = Synchronizer(name, Organizations(settings.organizations), resolver, keys)
        self._sweeper = Sweeper(cluster, name, settings.watched_namespaces, self._synchronizer, self._tracking)
        self._reconciler = Reconciler(cluster, self._synchronizer, self._tracking)
        self._listed = asyncio.Event()

    async def run(self, *ending: Coroutine[Any, Any, None]) -> None:
        """Work until one of the parts ends, those of the caller included."""
        stop: Future[None] = Future()
        parts = (*ending, self._reconciler.run(), self._sweep(), self._follow_news(), self._watch(stop))
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            if not stop.done():
                stop.set_result(None)
            self._tracking.end()
            await _end(tasks)

    async def _watch(self, stop: Future[None]) -> None:
        try:
            await self._sweeper.load()
        except DATABASE_ERRORS as exc:
            _logger.warning("database_unavailable", error=type(exc).__name__)
        await watch(self._environment.settings.operator.watched_namespaces, self._tracking, self._listed, stop)

    async def _sweep(self) -> None:
        """Sweep after each list and now and then; end when the watch tells nothing any more."""
        stalled, pause = 0, _FIRST_SWEEP_SECONDS
        while stalled < _SWEEPS_OF_A_STALLED_WATCH:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._listed.wait(), pause)
            self._listed.clear()
            unseen = await self._sweep_once()
            self._beat(swept=unseen is not None)
            pause = _RETRY_SECONDS if unseen is None else SWEEP_SECONDS
            stalled = stalled + 1 if unseen else 0
        _logger.error("watch_stalled")

    def _beat(self, *, swept: bool) -> None:
        """Who leads is ready when it has swept; later a sweep that fails is no reason to start the process anew."""
        pulse = self._environment.pulse
        if swept or pulse.has_begun:
            pulse.beat()

    async def _sweep_once(self) -> int | None:
        """How much the watch did not tell; None when the API server or the database did not answer."""
        metrics.OBJECTS.set(len(self._tracking))
        metrics.WAITING.set(self._tracking.waiting_count)
        try:
            return await self._sweeper.sweep()
        except MissingObjectError as exc:
            raise MissingDefinitionError from exc
        except UnresolvedError as exc:
            _logger.warning("not_swept", reason=exc.reason, problem=str(exc))
            return None
        except (ClusterError, *DATABASE_ERRORS) as exc:
            _logger.warning("sweep_failed", **told(exc))
            return None

    async def _follow_news(self) -> None:
        news = News()
        while True:
            try:
                organizations = {known.organization_id for known in self._synchronizer.known.values()}
                is_first = bool(organizations - news.organization_ids)
                self._tracking.see_changed(await news.changed_checks(organizations))
                if is_first:
                    # What happened before they were asked for the first time, the news do not tell.
                    self._tracking.see_all()
            except DATABASE_ERRORS as exc:
                _logger.warning("news_unread", error=type(exc).__name__)
            await asyncio.sleep(_NEWS_SECONDS)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
