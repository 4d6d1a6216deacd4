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

_Key = tuple[int, str]  # (check id, reference)

# What is sealed with the first key is passed over, so that an interrupted rotation goes on where it ended.
_SELECT: Final = """
SELECT check_id, organization_id, reference, sealed FROM check_secrets
WHERE (check_id, reference) > ($1, $2) AND substring(sealed FROM 1 FOR length($3::bytea)) <> $3
ORDER BY check_id, reference LIMIT $4 FOR UPDATE
"""
_UPDATE: Final = "UPDATE check_secrets SET sealed = $3 WHERE check_id = $1 AND reference = $2"
_KEY_IDS: Final = """
SELECT DISTINCT encode(substring(sealed FROM 2 FOR get_byte(sealed, 0)), 'escape') AS key_id
FROM check_secrets WHERE length(sealed) > 0
"""


@dataclass(slots=True)
class Rotation:
    """How many secrets were sealed anew, and why others were left as they are, by check id and reference."""

    sealed_anew: int = 0
    left: dict[_Key, str] = field(default_factory=dict)


async def rotate_secrets(connection: Connection, keys: KeyRing) -> Rotation:
    """Seal with the first key whatever is sealed with another. Raises NoKeyError."""
    first, after = key_prefix(keys.first_id), (0, "")
    rotation = Rotation()
    while True:
        async with connection.transaction():
            rows = await connection.fetch(_SELECT, *after, first, ROWS_AT_ONCE)
            await _seal_anew(connection, keys, rows, rotation)
        if not rows:
            return rotation
        after = rows[-1]["check_id"], rows[-1]["reference"]


async def _seal_anew(connection: Connection, keys: KeyRing, rows: Sequence[asyncpg.Record], rotation: Rotation) -> None:
    for row in rows:
        secret = SealedSecret.from_row(row)
        try:
            sealed = keys.seal(secret.open(keys), secret.place)
        except EncryptionError as exc:
            rotation.left[row["check_id"], row["reference"]] = str(exc)
            continue
        await connection.execute(_UPDATE, row["check_id"], row["reference"], sealed)
        rotation.sealed_anew += 1


async def stored_key_ids(connection: Connection) -> set[str]:
    """The ids of the keys that stored secrets are sealed with."""
    return {row["key_id"] for row in await connection.fetch(_KEY_IDS)}
