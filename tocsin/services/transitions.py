"""Write what the state machine decided: status changes, incidents and their events, in the caller's transaction."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.database import Connection
from tocsin.domain.observations import Outcome
from tocsin.domain.schedule import MILLISECOND
from tocsin.domain.status import Event, IncidentOpened, IncidentResolved, Status, StatusChanged
from tocsin.models import IncidentEventKind, Resolution
from tocsin.models.codes import OUTCOME_CODES, reason_code
from tocsin.services.event_log import News

# In place of a location's id: what concerns the check as a whole.
CHECK_ITSELF: Final = 0


@dataclass(frozen=True, slots=True)
class CheckEvent:
    """An event of the state machine, and whose it is: the check's itself, or of one of its several locations."""

    organization_id: int
    check_id: int
    location_id: int
    event: Event


_INSERT_STATUS_CHANGES = """
INSERT INTO status_changes (organization_id, check_id, location_id, from_status, to_status, at, slot, reason)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::timestamptz[],
                     $7::timestamptz[], $8::smallint[])
RETURNING id, organization_id, location_id
"""
_FAILURE = OUTCOME_CODES[Outcome.FAILURE]
# The evidence is copied, as results are not kept for as long.
_OPEN_INCIDENTS = """
WITH opened AS (
    INSERT INTO incidents (organization_id, check_id, opened_at, detected_at, cause, message, evidence)
    SELECT o.*, (SELECT r.evidence FROM results r
                 WHERE r.check_id = o.check_id AND r.slot BETWEEN o.opened_at AND o.detected_at AND r.outcome = $8
                   AND r.evidence IS NOT NULL ORDER BY r.slot DESC LIMIT 1)
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
      AS o (organization_id, check_id, opened_at, detected_at, cause, message)
    ON CONFLICT (check_id) WHERE resolved_at IS NULL DO NOTHING
    RETURNING id, organization_id, version, detected_at, message
)
INSERT INTO incident_events (organization_id, incident_id, version, kind, at, message)
SELECT organization_id, id, version, $7, detected_at, message FROM opened
RETURNING id, organization_id
"""
_CLOSE_INCIDENTS = """
WITH closed AS (
    UPDATE incidents i
    SET resolved_at = greatest(d.at, i.opened_at), resolution = $3, version = i.version + 1
    FROM unnest($1::bigint[], $2::timestamptz[], $6::timestamptz[]) AS d (check_id, at, decided_at)
    WHERE i.check_id = d.check_id AND i.resolved_at IS NULL
    RETURNING i.id, i.organization_id, i.version, d.decided_at
)
INSERT INTO incident_events (organization_id, incident_id, version, kind, at, actor)
SELECT organization_id, id, version, $4, decided_at, $5 FROM closed
RETURNING id, organization_id
"""


async def write_transitions(connection: Connection, events: Sequence[CheckEvent]) -> dict[int, News]:
    """Write the events of a fold; return what is new, by organization."""
    news: defaultdict[int, News] = defaultdict(News)
    await _write_status_changes(connection, events, news)
    for turn in _turns(events):
        await _close_recovered(connection, turn, news)
        await _open_incidents(connection, turn, news)
    return news


def _turns(events: Sequence[CheckEvent]) -> list[list[CheckEvent]]:
    """The events of incidents in their order, at most one of a check in each turn.

    After an outage of the database one flush may bring a failure, a recovery and the next failure.
    """
    turns: list[list[CheckEvent]] = []
    seen: Counter[int] = Counter()
    for each in events:
        if each.location_id == CHECK_ITSELF and not isinstance(each.event, StatusChanged):
            if seen[each.check_id] == len(turns):
                turns.append([])
            turns[seen[each.check_id]].append(each)
            seen[each.check_id] += 1
    return turns


async def _write_status_changes(
    connection: Connection, events: Sequence[CheckEvent], news: defaultdict[int, News]
) -> None:
    rows = [
        (e.organization_id, e.check_id, e.location_id, c.from_status, c.to_status, c.at, c.slot, reason_code(c.reason))
        for e in events
        if isinstance(c := e.event, StatusChanged)
    ]
    if rows:
        for row in await connection.fetch(_INSERT_STATUS_CHANGES, *map(list, zip(*rows, strict=True))):
            if row["location_id"] == CHECK_ITSELF:
                news[row["organization_id"]].status_change_ids.append(row["id"])


async def _open_incidents(connection: Connection, events: Sequence[CheckEvent], news: defaultdict[int, News]) -> None:
    rows = [
        (e.organization_id, e.check_id, o.at, o.slot, o.cause, o.message)
        for e in events
        if isinstance(o := e.event, IncidentOpened)
    ]
    if rows:
        columns = map(list, zip(*rows, strict=True))
        for row in await connection.fetch(_OPEN_INCIDENTS, *columns, IncidentEventKind.OPENED, _FAILURE):
            news[row["organization_id"]].incident_event_ids.append(row["id"])


async def _close_recovered(connection: Connection, events: Sequence[CheckEvent], news: defaultdict[int, News]) -> None:
    closings = [(e.check_id, e.event.at, e.event.slot) for e in events if isinstance(e.event, IncidentResolved)]
    if closings:
        await _close_incidents(connection, closings, Resolution.RECOVERED, None, news)


async def _close_incidents(
    connection: Connection,
    closings: Sequence[tuple[int, datetime, datetime]],  # (check id, end, when it was decided)
    resolution: Resolution,
    actor: str | None,
    news: defaultdict[int, News],
) -> None:
    check_ids, ends, decisions = map(list, zip(*closings, strict=True))
    kind = IncidentEventKind.RESOLVED
    rows = await connection.fetch(_CLOSE_INCIDENTS, check_ids, ends, resolution, kind, actor, decisions)
    for row in rows:
        news[row["organization_id"]].incident_event_ids.append(row["id"])


_LOCK_STATES = """
SELECT check_id, location_id, organization_id, status FROM check_states WHERE check_id = $1
ORDER BY location_id = 0, location_id FOR NO KEY UPDATE
"""
_RESET_STATES = """
UPDATE check_states
SET status = $2, decided = $3, since = $4, folded_through = $5, run_length = 0, run_started_at = NULL,
    recent_slots = NULL
WHERE check_id = $1
"""


async def reset_status(
    connection: Connection,
    check_id: int,
    status: Status,
    *,
    now: datetime,
    due_from: datetime,
    resolution: Resolution,
    actor: str | None,
) -> dict[int, News]:
    """Start a check anew at `PENDING` or `PAUSED`: close its open incident, and fold no slot before `due_from`.

    What is still under way for earlier slots is stored when it arrives, and changes nothing.
    """
    news: defaultdict[int, News] = defaultdict(News)
    states = await connection.fetch(_LOCK_STATES, check_id)
    changes = [
        CheckEvent(
            state["organization_id"],
            check_id,
            state["location_id"] if len(states) > 1 else CHECK_ITSELF,
            StatusChanged(Status(state["status"]), status, now, now, None),
        )
        for state in states
        if state["status"] != status
    ]
    await _write_status_changes(connection, changes, news)
    await _close_incidents(connection, [(check_id, now, now)], resolution, actor, news)
    # The last folded instant is exclusive: a slot at due_from itself is folded.
    await connection.execute(_RESET_STATES, check_id, status, Status.PENDING, now, due_from - MILLISECOND)
    return news


_END_FOLDING = "UPDATE check_states SET folded_through = $2 WHERE check_id = $1"


async def end_status(
    connection: Connection, check_id: int, *, now: datetime, due_from: datetime, actor: str | None
) -> dict[int, News]:
    """Close the open incident of a check that is deleted, and fold no slot that is still under way."""
    news: defaultdict[int, News] = defaultdict(News)
    await connection.execute(_LOCK_STATES, check_id)
    await _close_incidents(connection, [(check_id, now, now)], Resolution.DELETED, actor, news)
    await connection.execute(_END_FOLDING, check_id, due_from - MILLISECOND)
    return news
