"""Checks that HealthCheck resources own: made, changed, adopted and let go, each in one transaction.

It works in the operator's role. A check is known by its object's cluster, namespace and name, the object by its uid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import asyncpg

from tocsin.database import no_organization
from tocsin.domain.definitions import Definition, DefinitionFields, define, read_field
from tocsin.domain.errors import FieldProblem, InvalidInputError
from tocsin.domain.texts import validate_name
from tocsin.models import Check
from tocsin.services import checks
from tocsin.services.check_secrets import forget_secrets
from tocsin.services.scope import Scope, in_organization
from tocsin.services.sites import ensure_site


class DeletionPolicy(StrEnum):
    """What becomes of a check when its object is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """Where an object stands. At any time at most one object stands there."""

    cluster: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class DesiredCheck:
    """What one generation of an object wants. `applied_hash` tells two such wishes apart.

    `secrets` are the references to Secrets that its target holds.
    """

    key: ObjectKey
    uid: UUID
    generation: int
    deletion_policy: DeletionPolicy
    site: str
    fields: DefinitionFields
    paused: bool
    applied_hash: bytes
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object as it was last applied. A retained one is gone, and its check waits to be adopted."""

    organization_id: int
    check_id: int
    key: ObjectKey
    uid: UUID
    generation: int
    applied_hash: bytes
    is_retained: bool


_KNOWN = """
SELECT DISTINCT ON (uid) organization_id, check_id, cluster, namespace, name, uid, generation, applied_hash, retained_at
FROM tocsin_kubernetes_objects($1) ORDER BY uid, retained_at DESC
"""
_ORGANIZATIONS = "SELECT id, name FROM tocsin_organizations($1)"


async def known_objects(cluster: str) -> list[KnownObject]:
    """Every object of a cluster that owns a check, or owned one that was kept.

    One whose namespace moved to another organization may have left a check behind, and is known by the one it owns.
    """
    async with no_organization() as connection:
        rows = await connection.fetch(_KNOWN, cluster)
    return [_known(row) for row in rows]


def _known(row: asyncpg.Record) -> KnownObject:
    return KnownObject(
        organization_id=row["organization_id"],
        check_id=row["check_id"],
        key=ObjectKey(row["cluster"], row["namespace"], row["name"]),
        uid=row["uid"],
        generation=row["generation"],
        applied_hash=row["applied_hash"],
        is_retained=row["retained_at"] is not None,
    )


async def organization_ids(names: Sequence[str]) -> dict[str, int]:
    """The ids of those organizations that exist, by name."""
    async with no_organization() as connection:
        return {row["name"]: row["id"] for row in await connection.fetch(_ORGANIZATIONS, list(names))}


_LOCK = """
SELECT check_id, uid, generation, deletion_policy, retained_at FROM kubernetes_objects
WHERE cluster = $1 AND namespace = $2 AND name = $3 FOR UPDATE
"""
_PUT = """
INSERT INTO kubernetes_objects (check_id, organization_id, cluster, namespace, name, uid, generation, deletion_policy,
                                applied_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (check_id) DO UPDATE
SET uid = excluded.uid, generation = excluded.generation, deletion_policy = excluded.deletion_policy,
    applied_hash = excluded.applied_hash, retained_at = NULL
"""
_FORGET = "DELETE FROM kubernetes_objects WHERE check_id = $1"
_RETAIN = "UPDATE kubernetes_objects SET retained_at = $2 WHERE check_id = $1"


@in_organization
async def apply_object(scope: Scope, desired: DesiredCheck) -> int:
    """Make the object's check what it wants, and return the check's id. An older generation changes nothing.

    An object of the same name with another uid adopts the check that its predecessor kept. Raises InvalidInputError.
    """
    definition, site = _define(desired)
    before = await _lock(scope, desired.key)
    if before and before["uid"] == desired.uid and before["generation"] > desired.generation:
        return int(before["check_id"])
    site_id = await ensure_site(scope, site)
    check = None if before is None else await _adopted(scope, before, desired)
    check_id = await _make_or_change(scope, check, site_id, definition, desired)
    key = desired.key
    await scope.connection.execute(
        _PUT,
        *(check_id, scope.organization_id, key.cluster, key.namespace, key.name),
        *(desired.uid, desired.generation, desired.deletion_policy, desired.applied_hash),
    )
    return check_id


def _define(desired: DesiredCheck) -> tuple[Definition, str]:
    """The definition and the name of its site. Raises InvalidInputError for all that is wrong."""
    problems: list[FieldProblem] = []
    site = read_field(("site",), validate_name, desired.site, problems)
    definition = define(desired.fields, problems)
    if definition is None or site is None:
        raise InvalidInputError(problems)
    return definition, site


async def _lock(scope: Scope, key: ObjectKey) -> asyncpg.Record | None:
    return await scope.connection.fetchrow(_LOCK, key.cluster, key.namespace, key.name)


async def _adopted(scope: Scope, before: asyncpg.Record, desired: DesiredCheck) -> Check | None:
    """The check that goes on under this object; None when its predecessor took it along."""
    check = await Check.filter(id=before["check_id"], deleted_at=None).select_for_update().first()
    is_same = before["uid"] == desired.uid
    if check is not None and (is_same or before["deletion_policy"] == DeletionPolicy.RETAIN):
        if not is_same:
            # They were its predecessor's: the namespace may have been made anew, for others.
            await forget_secrets(scope, check.id)
        return check
    await _remove(scope, check, desired.key, before["check_id"])
    return None


async def _remove(scope: Scope, check: Check | None, key: ObjectKey, check_id: int) -> None:
    """End a check for good, unless somebody did, with its secrets, and what is known of its object."""
    if check is not None:
        await checks.remove(scope, check_id, _actor(key))
    await forget_secrets(scope, check_id)
    await scope.connection.execute(_FORGET, check_id)


async def _make_or_change(
    scope: Scope, check: Check | None, site_id: int, definition: Definition, desired: DesiredCheck
) -> int:
    if check is None:
        return await checks.make(scope, site_id, definition, paused=desired.paused)
    await checks.change(scope, check, site_id, definition, _actor(desired.key))
    await checks.set_paused(scope, check, _actor(desired.key), paused=desired.paused)
    await forget_secrets(scope, check.id, keep=desired.secrets)
    check_id: int = check.id
    return check_id


@in_organization
async def let_go(scope: Scope, key: ObjectKey, uid: UUID) -> None:
    """End what an object owned, as its deletion policy says. Doing so twice, or for a successor, changes nothing."""
    row = await _lock(scope, key)
    if row is None or row["uid"] != uid or row["retained_at"]:
        return
    check = await Check.filter(id=row["check_id"], deleted_at=None).select_for_update().first()
    if check is not None and row["deletion_policy"] == DeletionPolicy.RETAIN:
        await checks.set_paused(scope, check, _actor(key), paused=True)
        await scope.connection.execute(_RETAIN, check.id, await scope.now())
        return
    await _remove(scope, check, key, row["check_id"])


def _actor(key: ObjectKey) -> str:
    return f"HealthCheck {key}"[:100]
