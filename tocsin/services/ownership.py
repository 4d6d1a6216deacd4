"""Which checks belong to objects of Kubernetes, and so are changed there alone."""

from tocsin.domain.errors import ConflictError
from tocsin.services.scope import Scope

_OWNER = "SELECT cluster, namespace, name FROM kubernetes_objects WHERE check_id = $1 AND retained_at IS NULL"


async def refuse_owned(scope: Scope, check_id: int) -> None:
    """Raise ConflictError, which names the object, for a check that belongs to one."""
    if owner := await scope.connection.fetchrow(_OWNER, check_id):
        raise ConflictError(
            f"This check belongs to HealthCheck {owner['namespace']}/{owner['name']} of cluster {owner['cluster']}; "
            "change it there."
        )
