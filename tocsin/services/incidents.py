"""Incidents: what people do about them, and how they are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tocsin.database import Connection
from tocsin.domain.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from tocsin.domain.texts import validate_comment
from tocsin.models import Incident, IncidentEvent, IncidentEventKind, IncidentStatus
from tocsin.services.event_log import News, append_news
from tocsin.services.scope import Scope, in_organization


@in_organization
async def acknowledge(scope: Scope, incident_id: int, actor: str) -> None:
    """Take an incident on; doing so twice changes nothing. Raises NotFoundError, and ConflictError when resolved."""
    incident = await _lock(incident_id)
    if incident.status is IncidentStatus.RESOLVED:
        raise ConflictError("The incident is resolved already.")
    if incident.status is IncidentStatus.OPEN:
        incident.acknowledged_at = now = await scope.now()
        await _append(scope, incident, IncidentEventKind.ACKNOWLEDGED, now, actor)


@in_organization
async def comment(scope: Scope, incident_id: int, text: str, actor: str) -> None:
    """Write into the story of an incident, also of a resolved one. Raises InvalidInputError and NotFoundError."""
    incident = await _lock(incident_id)
    try:
        message = validate_comment(text)
    except ValueError as exc:
        raise InvalidInputError([FieldProblem(("text",), str(exc))]) from exc
    await _append(scope, incident, IncidentEventKind.COMMENTED, await scope.now(), actor, message)


async def _lock(incident_id: int) -> Incident:
    incident = await Incident.filter(id=incident_id).select_for_update().first()
    if incident is None:
        raise NotFoundError("incident")
    return incident


async def _append(
    scope: Scope, incident: Incident, kind: IncidentEventKind, at: datetime, actor: str, message: str | None = None
) -> None:
    incident.version += 1
    await incident.save(update_fields=["version", "acknowledged_at"])
    event = await IncidentEvent.create(
        organization_id=scope.organization_id,
        incident_id=incident.id,
        version=incident.version,
        kind=kind,
        at=at,
        message=message,
        actor=actor,
    )
    await append_news(scope.connection, {scope.organization_id: News(incident_event_ids=[event.id])})


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are asked for; None leaves a field open."""

    statuses: Sequence[IncidentStatus] | None = None
    site_id: int | None = None
    check_id: int | None = None


_SELECT = """
SELECT i.id, i.check_id, i.opened_at, i.detected_at, i.acknowledged_at, i.resolved_at, i.resolution, i.cause, i.message
FROM incidents i
"""
_STATUS = """
CASE WHEN i.resolved_at IS NOT NULL THEN 'RESOLVED' WHEN i.acknowledged_at IS NULL THEN 'OPEN' ELSE 'ACKNOWLEDGED' END
"""


async def find_incidents(
    connection: Connection, wanted: IncidentFilter, before: int | None, limit: int
) -> list[asyncpg.Record]:
    """Incidents, the newest first, before the one with the key `before`; also those of deleted checks."""
    conditions = {
        "i.id < ${}": before,
        "i.check_id = ${}": wanted.check_id,
        "i.check_id IN (SELECT id FROM checks WHERE site_id = ${})": wanted.site_id,
        f"{_STATUS} = ANY(${{}}::text[])": None if wanted.statuses is None else list(wanted.statuses),
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join(condition.format(number) for number, condition in enumerate(given, 2)) or "true"
    return await connection.fetch(f"{_SELECT} WHERE {where} ORDER BY i.id DESC LIMIT $1", limit, *given.values())


async def incidents_by_key(connection: Connection, keys: Sequence[int]) -> list[asyncpg.Record]:
    """These incidents, in no order."""
    return await connection.fetch(f"{_SELECT} WHERE i.id = ANY($1::bigint[])", list(keys))


_EVIDENCE = "SELECT id, evidence FROM incidents WHERE id = ANY($1::bigint[]) AND evidence IS NOT NULL"


async def evidence_by_key(connection: Connection, keys: Sequence[int]) -> dict[int, str]:
    """What was kept of the failures that opened these incidents, as JSON."""
    return {row["id"]: row["evidence"] for row in await connection.fetch(_EVIDENCE, list(keys))}


_EVENTS = "SELECT id, incident_id, version, kind, at, message, actor FROM incident_events"


async def find_events(connection: Connection, incident_id: int, after: int | None, limit: int) -> list[asyncpg.Record]:
    """What happened to an incident, the oldest first, after the version `after`."""
    statement = f"{_EVENTS} WHERE incident_id = $1 AND version > $2 ORDER BY version LIMIT $3"
    return await connection.fetch(statement, incident_id, after or 0, limit)


async def event_by_key(connection: Connection, key: int) -> asyncpg.Record | None:
    return await connection.fetchrow(f"{_EVENTS} WHERE id = $1", key)
