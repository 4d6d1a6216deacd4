"""Probe a check now because somebody asks: the API's half. A run is stored apart and never folded."""

import asyncio
from datetime import timedelta
from typing import Final, NamedTuple

import asyncpg

from tocsin.database import read_transaction
from tocsin.domain.errors import NotFoundError
from tocsin.services.ownership import require_owner
from tocsin.services.scope import Scope, in_organization

# Workers look for runs without a hint about every second.
GRACE: Final = timedelta(seconds=5)
_PAUSE_SECONDS: Final = 0.1

_REQUEST = """
INSERT INTO runs (organization_id, check_id, revision, location_id)
SELECT c.organization_id, c.id, c.revision, l.id FROM checks c JOIN locations l ON l.id = ANY(c.location_ids)
WHERE c.id = $1 AND c.deleted_at IS NULL AND l.name = coalesce($2, l.name)
ORDER BY array_position(c.location_ids, l.id) LIMIT 1
RETURNING id, (SELECT name FROM locations l WHERE l.id = runs.location_id) AS location,
          (SELECT longest_run_ms FROM check_versions v WHERE v.check_id = $1 AND v.revision = runs.revision),
          (SELECT kind FROM checks WHERE id = $1) AS kind
"""
_READ = """
SELECT id, requested_at AS slot, finished_at, started_at, duration_us, outcome, reason, status_code, resolve_us,
       connect_us, tls_us, processing_us, transfer_us, certificate_expires_at, address, message, attempts,
       tls_verified, evidence, (SELECT name FROM locations l WHERE l.id = location_id) AS location
FROM runs WHERE id = $1
"""


class RequestedRun(NamedTuple):
    """A run that waits for a worker of a location, and how long it may take."""

    id: int
    location: str
    longest: timedelta


@in_organization
async def request_run(scope: Scope, check_id: int, location: str | None = None) -> RequestedRun:
    """Ask for a probe of a check at one of its locations: without a name, the first. Raises NotFoundError."""
    row = await scope.connection.fetchrow(_REQUEST, check_id, location)
    if row is None:
        raise NotFoundError("check" if location is None else "check at that location")
    await require_owner(scope, check_id, row["kind"])
    return RequestedRun(row["id"], row["location"], timedelta(milliseconds=row["longest_run_ms"]))


async def wait_for_run(organization_id: int, run_id: int, patience: timedelta) -> asyncpg.Record:
    """The row of a run, with columns as `results` has them, as soon as it is finished or patience ends."""
    end = asyncio.get_running_loop().time() + patience.total_seconds()
    while True:
        # No transaction stays open meanwhile.
        async with read_transaction(organization_id) as connection:
            row = await connection.fetchrow(_READ, run_id)
        assert row is not None  # noqa: S101 - runs are kept far longer
        if row["finished_at"] is not None or asyncio.get_running_loop().time() >= end:
            return row
        await asyncio.sleep(_PAUSE_SECONDS)
