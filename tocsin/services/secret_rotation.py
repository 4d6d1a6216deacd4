"""Encrypt all secrets anew with the first key, while the platform runs.

The connection has the rights of the migrator.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from tocsin.database import Connection
from tocsin.encryption import EncryptionError, KeyRing, key_prefix
from tocsin.services.check_secrets import SealedSecret

# So many are locked at a time: whoever stores a new value waits for milliseconds.
ROWS_AT_ONCE: Final = 100

Place = tuple[str, str]
"""Whose a secret is, as in `check 7`, and its reference."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Where secrets are kept. What is sealed with the first key is passed over, so an interrupted rotation goes on."""

    owner: str  # what its secrets belong to
    select: str
    update: str


_TABLES: Final = (
    _Table(
        "check",
        """
        SELECT check_id AS owner_id, check_id, organization_id, reference, sealed FROM check_secrets
        WHERE (check_id, reference) > ($1, $2) AND substring(sealed FROM 1 FOR length($3::bytea)) <> $3
        ORDER BY check_id, reference LIMIT $4 FOR UPDATE
        """,
        "UPDATE check_secrets SET sealed = $3 WHERE check_id = $1 AND reference = $2",
    ),
    _Table(
        "organization",
        """
        SELECT organization_id AS owner_id, organization_id, name AS reference, sealed FROM secrets
        WHERE (organization_id, name) > ($1, $2) AND substring(sealed FROM 1 FOR length($3::bytea)) <> $3
        ORDER BY organization_id, name LIMIT $4 FOR UPDATE
        """,
        "UPDATE secrets SET sealed = $3 WHERE organization_id = $1 AND name = $2",
    ),
)
_KEY_IDS: Final = """
SELECT DISTINCT encode(substring(sealed FROM 2 FOR get_byte(sealed, 0)), 'escape') AS key_id
FROM (SELECT sealed FROM check_secrets UNION ALL SELECT sealed FROM secrets) AS s WHERE length(sealed) > 0
"""


@dataclass(slots=True)
class Rotation:
    """How many secrets were sealed anew, and why others were left as they are."""

    sealed_anew: int = 0
    left: dict[Place, str] = field(default_factory=dict)


async def rotate_secrets(connection: Connection, keys: KeyRing) -> Rotation:
    """Seal with the first key whatever is sealed with another. Raises NoKeyError."""
    rotation = Rotation()
    for table in _TABLES:
        await _rotate(connection, keys, table, rotation)
    return rotation


async def _rotate(connection: Connection, keys: KeyRing, table: _Table, rotation: Rotation) -> None:
    first, after = key_prefix(keys.first_id), (0, "")
    while True:
        async with connection.transaction():
            rows = await connection.fetch(table.select, *after, first, ROWS_AT_ONCE)
            await _seal_anew(connection, keys, table, rows, rotation)
        if not rows:
            return
        after = rows[-1]["owner_id"], rows[-1]["reference"]


async def _seal_anew(
    connection: Connection, keys: KeyRing, table: _Table, rows: Sequence[asyncpg.Record], rotation: Rotation
) -> None:
    for row in rows:
        secret = SealedSecret.from_row(row)
        try:
            sealed = keys.seal(secret.open(keys), secret.place)
        except EncryptionError as exc:
            rotation.left[f"{table.owner} {row['owner_id']}", row["reference"]] = str(exc)
            continue
        await connection.execute(table.update, row["owner_id"], row["reference"], sealed)
        rotation.sealed_anew += 1


async def stored_key_ids(connection: Connection) -> set[str]:
    """The ids of the keys that stored secrets are sealed with."""
    return {row["key_id"] for row in await connection.fetch(_KEY_IDS)}
