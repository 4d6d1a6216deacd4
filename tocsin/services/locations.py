"""Locations: pools of workers, each under a name. A worker makes its location known when it starts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tocsin.database import Connection
from tocsin.domain.errors import FieldProblem, InvalidInputError


class UnknownLocationError(InvalidInputError):
    """Locations that no worker has made known yet; one may."""


# A worker that lives says so far more often than this.
LIVING_WITHIN: Final = timedelta(seconds=30)

_SEE = """
UPDATE locations SET seen_at = clock_timestamp(), impaired_since = NULL WHERE name = $1 RETURNING id
"""
_INSERT = "INSERT INTO locations (name) VALUES ($1) ON CONFLICT DO NOTHING"


async def register_location(connection: Connection, name: str) -> int:
    """Make a location known, and return its id."""
    # An insert that finds the name taken uses up an id, of which there are few.
    while (location_id := await connection.fetchval(_SEE, name)) is None:
        await connection.execute(_INSERT, name)
    return int(location_id)


_SHOW = """
UPDATE locations
SET seen_at = clock_timestamp(), impaired_since = CASE WHEN $2::timestamptz IS NULL AND $3 THEN NULL
                                                       ELSE coalesce(impaired_since, $2) END
WHERE id = $1
"""


async def show_location(
    connection: Connection, location_id: int, impaired_since: datetime | None, *, recovered: bool
) -> None:
    """Say that a worker of a location lives, and since when it reaches nothing, or that it does again.

    A worker that was never impaired does not know of the others.
    """
    await connection.execute(_SHOW, location_id, impaired_since, recovered)


_IDS = "SELECT name, id FROM locations WHERE name = ANY($1::text[])"
_NAMES = "SELECT name FROM locations ORDER BY name LIMIT 20"


async def location_ids(connection: Connection, names: Sequence[str]) -> list[int]:
    """The ids of these locations, in their order. Raises UnknownLocationError."""
    ids = {row["name"]: row["id"] for row in await connection.fetch(_IDS, list(names))}
    if unknown := [(index, name) for index, name in enumerate(names) if name not in ids]:
        known = ", ".join(row["name"] for row in await connection.fetch(_NAMES))
        message = f"is no known location; start a worker there first, or take one of {known}"
        raise UnknownLocationError([FieldProblem(("locations", index), message) for index, _ in unknown])
    return [ids[name] for name in names]


_NAMES_OF = """
SELECT l.name FROM unnest($1::smallint[]) WITH ORDINALITY AS k (id, place) JOIN locations l USING (id) ORDER BY k.place
"""


async def location_names(connection: Connection, ids: Sequence[int]) -> list[str]:
    """The names of these locations, in their order."""
    return [row["name"] for row in await connection.fetch(_NAMES_OF, list(ids))]


async def find_locations(connection: Connection) -> list[asyncpg.Record]:
    """Every location by name: name, seen_at, impaired_since."""
    return await connection.fetch("SELECT name, seen_at, impaired_since FROM locations ORDER BY name")


_STATES = """
SELECT s.check_id, l.name, s.status, s.since, s.last_slot, s.last_started_at, s.last_duration_us, s.last_outcome,
       s.last_reason, s.last_message, s.last_status_code, s.certificate_expires_at
FROM check_states s JOIN checks c ON c.id = s.check_id JOIN locations l ON l.id = s.location_id
WHERE s.check_id = ANY($1::bigint[]) ORDER BY s.check_id, array_position(c.location_ids, s.location_id)
"""


async def location_states(connection: Connection, check_ids: Sequence[int]) -> list[asyncpg.Record]:
    """What each location of these checks shows, and its last slot; of a check, in the order of its locations."""
    return await connection.fetch(_STATES, list(check_ids))
