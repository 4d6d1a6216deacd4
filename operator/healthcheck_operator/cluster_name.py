"""The name of this cluster in the database, and whether it is ours to use."""

from typing import Final
from uuid import UUID

import structlog

from healthcheck_operator.cluster import Cluster, ForbiddenCallError
from healthcheck_operator.references import UnresolvedError
from tocsin.services.cluster_claims import claim_cluster

# Its uid is what tells clusters apart everywhere.
_KUBE_SYSTEM: Final = "/api/v1/namespaces/kube-system"

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ClusterName:
    """A name that one cluster has in a database: under the same one, two would delete one another's checks."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._is_ours = False
        self.name: Final = name

    async def claim(self) -> None:
        """Make sure, once, that no other cluster has the name. Raises UnresolvedError, and what the database does."""
        if self._is_ours:
            return
        uid = await self._read_uid()
        if uid is not None and not await claim_cluster(self.name, uid):
            raise UnresolvedError(
                "ClusterNameTaken",
                f"another cluster has the name {self.name} in this database; give this one its own by TOCSIN_CLUSTER "
                f"(operator.cluster), or run `tocsin forget-cluster {self.name}` if it replaces that one",
            )
        self._is_ours = True

    async def _read_uid(self) -> UUID | None:
        try:
            return UUID((await self._cluster.get(_KUBE_SYSTEM))["metadata"]["uid"])
        except ForbiddenCallError:
            _logger.warning("cluster_unidentified", remedy="let the operator get the namespace kube-system")
            return None
