"""Which cluster has which name: under one name, two would take one another's objects for gone."""

from uuid import UUID

from tocsin.database import Connection, no_organization
from tocsin.domain.errors import NotFoundError

_CLAIM = """
WITH claimed AS (
    INSERT INTO kubernetes_clusters (name, uid) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING uid
)
SELECT uid FROM claimed UNION ALL SELECT uid FROM kubernetes_clusters WHERE name = $1
"""
_FORGET_CLUSTER = "DELETE FROM kubernetes_clusters WHERE name = $1 RETURNING true"


async def claim_cluster(name: str, uid: UUID) -> bool:
    """Whether the name is that of the cluster with this uid, or was nobody's and is now."""
    async with no_organization() as connection:
        claimed: UUID | None = await connection.fetchval(_CLAIM, name, uid)
    return claimed == uid


async def forget_cluster(connection: Connection, name: str) -> None:
    """Let another cluster take the name, and what was made under it. Takes the migrator's rights.

    Raises NotFoundError.
    """
    if not await connection.fetchval(_FORGET_CLUSTER, name):
        raise NotFoundError(f"cluster {name}")
