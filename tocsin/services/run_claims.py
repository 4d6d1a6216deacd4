"""Probe a check because somebody asked: the engine's half of `runCheck`. A run is stored apart and never folded."""

from dataclasses import dataclass
from datetime import timedelta

from tocsin.database import Connection
from tocsin.domain.observations import Observation
from tocsin.services.leases import Definition, definition_of
from tocsin.services.result_rows import instant_of, observation_row

# Whoever asked has given up by then.
_GIVE_UP_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that this process has taken, and what it is to probe."""

    id: int
    organization_id: int
    check_id: int | None  # None for a target that is tried without being saved
    revision: int | None
    definition: Definition


_CLAIM = """
WITH open AS (
    SELECT * FROM runs
    WHERE claimed_at IS NULL AND requested_at > clock_timestamp() - $1::interval AND ($2::bigint IS NULL OR id = $2)
      AND location_id = $3
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE runs r SET claimed_at = clock_timestamp(), target = NULL
FROM open LEFT JOIN check_versions v ON v.check_id = open.check_id AND v.revision = open.revision
WHERE r.id = open.id AND (open.check_id IS NULL OR v.check_id IS NOT NULL)
RETURNING r.id, r.organization_id, r.check_id, r.revision, coalesce(v.kind, open.kind) AS kind,
          coalesce(v.target, open.target)::text AS target, coalesce(v.timeout_ms, open.timeout_ms) AS timeout_ms,
          coalesce(v.retry_attempts, 0) AS retry_attempts, coalesce(v.retry_delay_ms, 0) AS retry_delay_ms,
          coalesce(v.retry_backoff, 1) AS retry_backoff
"""


async def claim_run(connection: Connection, location_id: int, run_id: int | None = None) -> ClaimedRun | None:
    """Take a run of a location that nobody has taken: this one, or the oldest."""
    row = await connection.fetchrow(_CLAIM, _GIVE_UP_AFTER, run_id, location_id)
    if row is None:
        return None
    return ClaimedRun(row["id"], row["organization_id"], row["check_id"], row["revision"], definition_of(row))


_FINISH = f"""
UPDATE runs SET finished_at = clock_timestamp(), started_at = {instant_of("$2::bigint")}, duration_us = $3,
    outcome = $4, reason = $5, status_code = $6, resolve_us = $7, connect_us = $8, tls_us = $9, processing_us = $10,
    transfer_us = $11, certificate_expires_at = {instant_of("$12::bigint")}, address = $13::text::inet, message = $14,
    attempts = $15, tls_verified = $16, evidence = $17
WHERE id = $1 AND finished_at IS NULL
"""  # noqa: S608


async def finish_run(connection: Connection, run_id: int, observation: Observation) -> None:
    """Store what the run saw."""
    await connection.execute(_FINISH, run_id, *observation_row(observation))
