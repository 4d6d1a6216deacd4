"""Compare what the cluster has with what the operator knows: the watch may have missed something."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from healthcheck_operator import metrics
from healthcheck_operator.cluster import Cluster, MissingObjectError
from healthcheck_operator.cluster_name import ClusterName
from healthcheck_operator.resources import API_VERSION, PLURAL, path_of, read_object
from healthcheck_operator.synchronizing import Synchronizer
from healthcheck_operator.tracking import Tracking
from tocsin.services.kubernetes_objects import KnownObject, known_objects

SWEEP_SECONDS: Final = 40.0
_GRACE_SECONDS: Final = 1.0
_LONGEST_GRACES: Final = 20

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps all namespaces, or those that are watched."""

    def __init__(
        self,
        cluster: Cluster,
        cluster_name: ClusterName,
        namespaces: Sequence[str] | None,
        synchronizer: Synchronizer,
        tracking: Tracking,
    ) -> None:
        self._cluster = cluster
        self._cluster_name = cluster_name
        self._namespaces = namespaces
        self._synchronizer = synchronizer
        self._tracking = tracking

    async def load(self) -> None:
        """Read what the database holds, before anything is applied."""
        for known in await self._read_known():
            self._synchronizer.known.setdefault(known.uid, known)

    async def sweep(self) -> int:
        """Let go what is gone, and look at what the watch did not tell; return how much that was.

        The database is read first: whoever is in it, and in the list no more, was deleted in between or before.
        """
        await self._cluster_name.claim()
        stored, tracked = await self._compare_with_database(), self._tracking.uids
        present = await self._list()
        for known in stored:
            if known.uid not in present and not known.is_retained:
                await self._let_go(known)
        for uid in tracked - present.keys():
            self._tracking.see_gone(uid)
        await self._let_the_watch_tell()
        news = [metadata for uid, metadata in present.items() if self._is_news(uid, metadata["generation"])]
        unseen = sum([await self._look(metadata) for metadata in news])
        metrics.UNSEEN.inc(unseen)
        metrics.SWEPT_AT.set_to_current_time()
        return unseen

    async def _compare_with_database(self) -> list[KnownObject]:
        remembered = dict(self._synchronizer.known)
        stored = await self._read_known()
        for uid in self._synchronizer.correct(remembered, {known.uid: known for known in stored}):
            if tracked := self._tracking.find(uid):
                _logger.warning("database_forgot", object=str(tracked.healthcheck))
                self._tracking.start_anew(tracked)
        return stored

    async def _let_the_watch_tell(self) -> None:
        """Wait as long as more objects arrive: at a start there are thousands to come."""
        for _ in range(_LONGEST_GRACES):
            count = len(self._tracking)
            await asyncio.sleep(_GRACE_SECONDS)
            if count == len(self._tracking):
                return

    async def _read_known(self) -> list[KnownObject]:
        known = await known_objects(self._cluster_name.name)
        watched = self._namespaces
        return [each for each in known if watched is None or each.key.namespace in watched]

    async def _list(self) -> dict[UUID, Any]:
        """The metadata of every object. Without the kind of object this fails, so that nothing is taken for gone."""
        paths = [f"/apis/{API_VERSION}/{PLURAL}"] if self._namespaces is None else map(path_of, self._namespaces)
        present: dict[UUID, Any] = {}
        for path in paths:
            async for metadata in self._cluster.list_metadata(path):
                present[UUID(metadata["uid"])] = metadata
        return present

    async def _let_go(self, known: KnownObject) -> None:
        _logger.info("object_gone", object=str(known.key))
        metrics.LOST.inc()
        self._synchronizer.known.setdefault(known.uid, known)
        await self._synchronizer.let_go(known.uid)
        if tracked := self._tracking.find(known.uid):
            self._tracking.forget(tracked)

    def _is_news(self, uid: UUID, generation: int) -> bool:
        tracked = self._tracking.find(uid)
        return tracked is None or tracked.healthcheck.generation < generation

    async def _look(self, metadata: Any) -> bool:  # noqa: ANN401 - JSON
        """Read an object, and tell whether the watch still says nothing of it."""
        try:
            healthcheck = read_object(await self._cluster.get(path_of(metadata["namespace"], metadata["name"])))
        except MissingObjectError:
            return False
        is_news = self._is_news(healthcheck.uid, healthcheck.generation)
        self._tracking.see(healthcheck)
        return is_news
