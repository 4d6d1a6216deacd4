"""Join what several locations see into the check's own state, in the transaction that folded one of them.

Its row is locked after those of the locations, which are then read anew: of two transactions that change two locations
of a check, the later one sees both. Nobody who holds it waits for a location's state.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from tocsin.database import Connection, columns
from tocsin.domain.locations import LocationState, follow, read_quorum
from tocsin.domain.status import CheckState, Event, Status, StatusChanged
from tocsin.models.codes import reason_of
from tocsin.services.transitions import CHECK_ITSELF, CheckEvent

Change = tuple[datetime, datetime]
"""When the newest change of a location began, and the slot that decided it."""

# A paused check's locations are paused as well: there is nothing to join.
_LOCK = """
SELECT check_id, organization_id, status, since, decided FROM check_states
WHERE check_id = ANY($1::bigint[]) AND location_id = $2 AND status <> $3 ORDER BY check_id FOR NO KEY UPDATE
"""
_LOCATIONS = """
SELECT s.check_id, s.status, s.since, s.last_reason, s.last_message, c.quorum
FROM check_states s JOIN checks c ON c.id = s.check_id
WHERE s.check_id = ANY($1::bigint[]) AND s.location_id <> $2 ORDER BY s.check_id, s.location_id
"""
_UPDATE = """
UPDATE check_states s SET status = d.status, since = d.since, decided = d.decided
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) AS d (check_id, status, since, decided)
WHERE s.check_id = d.check_id AND s.location_id = $5
"""


async def join_locations(
    connection: Connection, check_ids: Sequence[int], events: Sequence[CheckEvent], newest: datetime
) -> list[CheckEvent]:
    """Bring these checks to what their locations say; return what the check itself has to tell.

    `events` are what the locations had, `newest` is the slot that stands for those that had none.
    """
    own = await connection.fetch(_LOCK, check_ids, CHECK_ITSELF, Status.PAUSED)
    locations = await _locations(connection, [row["check_id"] for row in own])
    changes = _changes(events)
    joined: list[CheckEvent] = []
    updates: list[tuple[int, str, datetime, str]] = []
    for row in own:
        state, new_events = _follow(row, locations[row["check_id"]], changes.get(row["check_id"], (newest, newest)))
        if new_events:
            updates.append((row["check_id"], state.status, state.since, state.decided))
        joined.extend(CheckEvent(row["organization_id"], row["check_id"], CHECK_ITSELF, each) for each in new_events)
    if updates:
        await connection.execute(_UPDATE, *columns(updates, 4), CHECK_ITSELF)
    return joined


async def _locations(connection: Connection, check_ids: Sequence[int]) -> Mapping[int, list[asyncpg.Record]]:
    found: defaultdict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in await connection.fetch(_LOCATIONS, check_ids, CHECK_ITSELF):
        found[row["check_id"]].append(row)
    return found


def _changes(events: Sequence[CheckEvent]) -> dict[int, Change]:
    """The newest change of each check's locations."""
    changes = [(e.event.slot, e.event.at, e.check_id) for e in events if isinstance(e.event, StatusChanged)]
    return {check_id: (at, slot) for slot, at, check_id in sorted(changes)}


def _follow(
    row: asyncpg.Record, locations: Sequence[asyncpg.Record], change: Change
) -> tuple[CheckState, tuple[Event, ...]]:
    state = CheckState(row["since"], Status(row["decided"]), row["status"] == Status.UNKNOWN)
    return follow(state, [_location_state(each) for each in locations], read_quorum(locations[0]["quorum"]), *change)


def _location_state(row: asyncpg.Record) -> LocationState:
    return LocationState(Status(row["status"]), row["since"], reason_of(row["last_reason"]), row["last_message"])
