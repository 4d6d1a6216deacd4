"""Which checks belong to objects of Kubernetes, and so are changed there alone."""

from tocsin.domain.errors import ConflictError, NotFoundError
from tocsin.domain.targets import KINDS
from tocsin.services.scope import Scope

_OWNER = "SELECT cluster, namespace, name FROM kubernetes_objects WHERE check_id = $1 AND retained_at IS NULL"


async def refuse_owned(scope: Scope, check_id: int) -> None:
    """Raise ConflictError, which names the object, for a check that belongs to one."""
    if owner := await scope.connection.fetchrow(_OWNER, check_id):
        raise ConflictError(
            f"This check belongs to HealthCheck {owner['namespace']}/{owner['name']} of cluster {owner['cluster']}; "
            "change it there."
        )


async def require_owner(scope: Scope, check_id: int, kind: str) -> None:
    """Raise NotFoundError for a check of the cluster's objects whose HealthCheck is gone.

    It was kept for its history: the namespace may belong to another organization by now.
    """
    if kind in KINDS and KINDS[kind].for_kubernetes_only and not await scope.connection.fetchrow(_OWNER, check_id):
        raise NotFoundError("HealthCheck, which alone lets a check look into its namespace")
