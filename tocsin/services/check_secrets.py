"""The values of secrets that targets refer to: stored sealed, read back by the engine alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from tocsin.database import Connection, columns
from tocsin.domain.errors import FieldProblem, InvalidInputError, NotFoundError
from tocsin.domain.targets.secrets import is_secret_name
from tocsin.encryption import KeyRing, named_secret_place, secret_place
from tocsin.services.scope import Scope, in_organization

Key = tuple[int, int]
"""The id of a check, and a revision."""

# A check of another organization is none: a foreign key alone would not see that. The sealed value is given twice, as
# reading it from `excluded` takes the right to read the column, which the operator does not have.
_STORE: Final = """
INSERT INTO check_secrets (check_id, organization_id, reference, source_version, sealed)
SELECT id, organization_id, $2, $3, $4 FROM checks WHERE id = $1 AND deleted_at IS NULL
ON CONFLICT (check_id, reference) DO UPDATE SET source_version = $3, sealed = $4, updated_at = clock_timestamp()
RETURNING check_id
"""
_FORGET: Final = "DELETE FROM check_secrets WHERE check_id = $1 AND reference <> ALL($2::text[])"
_VERSIONS: Final = "SELECT check_id, reference, source_version FROM check_secrets WHERE check_id = ANY($1::bigint[])"
# A target that was replaced is probed until the edit takes effect, but the values may be new, and not meant for it.
_LOAD: Final = """
WITH wanted AS (
    SELECT v.check_id, v.revision, c.organization_id
    FROM unnest($1::bigint[], $2::int[]) AS d (check_id, revision)
    JOIN check_versions v ON v.check_id = d.check_id AND v.revision = d.revision
    JOIN checks c ON c.id = v.check_id AND c.target = v.target
)
SELECT w.check_id, w.revision, w.organization_id, s.reference, s.sealed
FROM wanted w JOIN check_secrets s ON s.check_id = w.check_id AND s.organization_id = w.organization_id
UNION ALL
SELECT w.check_id, w.revision, w.organization_id, s.name, s.sealed
FROM unnest($3::bigint[], $4::int[], $5::text[]) AS n (check_id, revision, name)
JOIN wanted w ON w.check_id = n.check_id AND w.revision = n.revision
JOIN secrets s ON s.organization_id = w.organization_id AND s.name = n.name
"""


_LOAD_NAMED: Final = """
SELECT organization_id, name AS reference, sealed FROM secrets WHERE organization_id = $1 AND name = ANY($2::text[])
"""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A value as it is stored, and its place, where alone it can be opened."""

    place: bytes
    sealed: bytes

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "SealedSecret":
        """A row with what it is bound to; a reference that is a name is of the organization, and not of the check."""
        organization_id, reference = row["organization_id"], row["reference"]
        if is_secret_name(reference):
            return cls(named_secret_place(organization_id, reference), row["sealed"])
        return cls(secret_place(organization_id, row["check_id"], reference), row["sealed"])

    def open(self, keys: KeyRing) -> str:
        """The value. Raises EncryptionError."""
        return keys.open(self.sealed, self.place)


@in_organization
async def store_secret(
    scope: Scope, keys: KeyRing, check_id: int, reference: str, source_version: str, value: str
) -> None:
    """Store the value that a reference of a check stands for now; slots from the next batch on are probed with it.

    `source_version` says from which state of the Secret it is. Raises InvalidInputError for an empty value,
    NotFoundError for the check, and NoKeyError.
    """
    if not value:
        raise InvalidInputError([FieldProblem(("value",), f"of the secret {reference} is empty; give it a value")])
    sealed = keys.seal(value, secret_place(scope.organization_id, check_id, reference))
    if await scope.connection.fetchval(_STORE, check_id, reference, source_version, sealed) is None:
        raise NotFoundError("check")


async def forget_secrets(scope: Scope, check_id: int, *, keep: Collection[str] = ()) -> None:
    """Remove the values that a check has, but those of the references to keep, in the caller's transaction."""
    await scope.connection.execute(_FORGET, check_id, list(keep))


@in_organization
async def stored_versions(scope: Scope, check_ids: Collection[int]) -> dict[tuple[int, str], str]:
    """From which state of its Secret each stored value is, by check id and reference."""
    rows = await scope.connection.fetch(_VERSIONS, list(check_ids))
    return {(row["check_id"], row["reference"]): row["source_version"] for row in rows}


async def load_named_secrets(
    connection: Connection, organization_id: int, names: Collection[str]
) -> dict[str, SealedSecret]:
    """The sealed values of an organization's secrets, for a target that is no check's: the engine's half."""
    rows = await connection.fetch(_LOAD_NAMED, organization_id, list(names))
    return {row["reference"]: SealedSecret.from_row(row) for row in rows}


async def load_secrets(
    connection: Connection, wanted: Mapping[Key, Collection[str]]
) -> dict[Key, dict[str, SealedSecret]]:
    """The sealed values of the references that these targets hold, and then by reference: the engine's half."""
    names = [(*key, each) for key, references in wanted.items() for each in references if is_secret_name(each)]
    loaded: dict[Key, dict[str, SealedSecret]] = {key: {} for key in wanted}
    for row in await connection.fetch(_LOAD, *columns(list(wanted), 2), *columns(names, 3)):
        loaded[row["check_id"], row["revision"]][row["reference"]] = SealedSecret.from_row(row)
    return loaded
