"""Read checks: each with its state, its site, its open incident and its owner, in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import orjson

from tocsin.database import Connection
from tocsin.domain.status import Status


@dataclass(frozen=True, slots=True)
class CheckFilter:
    """Which checks are asked for; None leaves a field open. `text` is part of the name, whatever the case."""

    site_id: int | None = None
    statuses: Sequence[Status] | None = None
    kind: str | None = None
    labels: Mapping[str, str] | None = None
    text: str | None = None
    secret_id: int | None = None


_LAST = (
    *("last_slot", "last_started_at", "last_duration_us", "last_outcome", "last_reason", "last_message"),
    *("last_status_code", "certificate_expires_at"),
)
# What was last is that of the location with the newest slot. Where there is one location, no other is looked for.
_SELECT = f"""
SELECT c.id, c.name, c.description, c.kind, c.target, c.interval_seconds, c.cron, c.time_zone, c.timeout_ms,
       c.retry_attempts, c.retry_delay_ms, c.retry_backoff, c.failure_threshold, c.success_threshold, c.failure_window,
       c.quorum, c.labels, c.paused, c.created_at, c.updated_at, c.deleted_at,
       s.status, s.since, {", ".join(f"coalesce(l.{column}, s.{column}) AS {column}" for column in _LAST)},
       t.id AS site_id, t.name AS site_name, t.description AS site_description, t.created_at AS site_created_at,
       t.updated_at AS site_updated_at,
       i.id AS incident_id, i.check_id AS incident_check_id, i.opened_at AS incident_opened_at,
       i.detected_at AS incident_detected_at, i.acknowledged_at AS incident_acknowledged_at,
       i.resolved_at AS incident_resolved_at, i.resolution AS incident_resolution, i.cause AS incident_cause,
       i.message AS incident_message,
       o.cluster AS owner_cluster, o.namespace AS owner_namespace, o.name AS owner_name
FROM checks c
JOIN check_states s ON s.check_id = c.id AND s.location_id = c.state_location_id
LEFT JOIN LATERAL (
    SELECT * FROM check_states WHERE c.state_location_id = 0 AND check_id = c.id AND location_id <> 0
    ORDER BY last_slot DESC NULLS LAST, location_id LIMIT 1
) l ON true
JOIN sites t ON t.id = c.site_id
LEFT JOIN incidents i ON i.check_id = c.id AND i.resolved_at IS NULL
LEFT JOIN kubernetes_objects o ON o.check_id = c.id AND o.retained_at IS NULL
"""  # noqa: S608 - no value of a user is in it


async def find_checks(
    connection: Connection, wanted: CheckFilter, after: int | None, limit: int
) -> list[asyncpg.Record]:
    """Checks in the order in which they were made, after the one with the key `after`."""
    # Only what is asked for is in the statement, so that it can use the index that fits.
    conditions = {
        "c.id > ${}": after,
        "c.site_id = ${}": wanted.site_id,
        "s.status = ANY(${}::text[])": None if wanted.statuses is None else list(wanted.statuses),
        "c.kind = ${}": wanted.kind,
        "c.labels @> ${}::jsonb": None if wanted.labels is None else orjson.dumps(wanted.labels).decode(),
        "c.id IN (SELECT check_id FROM secret_uses WHERE secret_id = ${})": wanted.secret_id,
        "strpos(lower(c.name), lower(${})) > 0": wanted.text,
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    where = "".join(f" AND {condition.format(number)}" for number, condition in enumerate(given, 2))
    statement = f"{_SELECT} WHERE c.deleted_at IS NULL{where} ORDER BY c.id LIMIT $1"
    return await connection.fetch(statement, limit, *given.values())


async def checks_by_key(connection: Connection, keys: Sequence[int]) -> list[asyncpg.Record]:
    """These checks, also deleted ones, in no order."""
    return await connection.fetch(f"{_SELECT} WHERE c.id = ANY($1::bigint[])", list(keys))


async def check_by_key(connection: Connection, key: int) -> asyncpg.Record | None:
    """A check that is not deleted."""
    return await connection.fetchrow(f"{_SELECT} WHERE c.id = $1 AND c.deleted_at IS NULL", key)
