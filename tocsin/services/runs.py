"""Probe a check now because somebody asks: the API's half. A run is stored apart and never folded."""

import asyncio
from datetime import timedelta
from typing import Final

import asyncpg

from tocsin.database import read_transaction
from tocsin.domain.errors import NotFoundError
from tocsin.services.ownership import require_owner
from tocsin.services.scope import Scope, in_organization
from tocsin.services.transitions import DEFAULT_LOCATION_ID

# Workers look for runs without a hint about every second.
GRACE: Final = timedelta(seconds=5)
_PAUSE_SECONDS: Final = 0.1

_REQUEST = """
INSERT INTO runs (organization_id, check_id, revision, location_id)
SELECT organization_id, id, revision, $2 FROM checks WHERE id = $1 AND deleted_at IS NULL
RETURNING id, (SELECT longest_run_ms FROM check_versions v WHERE v.check_id = $1 AND v.revision = runs.revision),
          (SELECT kind FROM checks WHERE id = $1) AS kind
"""
_READ = """
SELECT id, requested_at AS slot, finished_at, started_at, duration_us, outcome, reason, status_code, resolve_us,
       connect_us, tls_us, processing_us, transfer_us, certificate_expires_at, address, message, attempts,
       tls_verified, evidence
FROM runs WHERE id = $1
"""


@in_organization
async def request_run(scope: Scope, check_id: int) -> tuple[int, timedelta]:
    """Ask for a probe of a check; return the run's id and how long it may take. Raises NotFoundError."""
    row = await scope.connection.fetchrow(_REQUEST, check_id, DEFAULT_LOCATION_ID)
    if row is None:
        raise NotFoundError("check")
    await require_owner(scope, check_id, row["kind"])
    return row["id"], timedelta(milliseconds=row["longest_run_ms"])


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
