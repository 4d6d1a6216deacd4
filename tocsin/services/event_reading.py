"""Read the event log of an organization, in order, with the rows that its events name.

Every function runs in the caller's transaction, which sees one organization alone. Items that retention or a deletion
took away are left out; their places stay, so the others keep their positions.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from tocsin.database import Connection

# A page ends after so many events, or after the event that brings so many results.
_PAGE_EVENTS: Final = 200
_PAGE_RESULTS: Final = 1000
# Without results a page looks at this many events, most of which say nothing of interest.
_PAGE_EVENTS_SEARCHED: Final = 5000
_LARGEST: Final = 2**63 - 1


class CursorExpiredError(Exception):
    """What follows this position is not there."""


class CursorUnknownError(CursorExpiredError):
    """No event has this position yet."""


class Position(NamedTuple):
    """A place in the log: an event's number, and the index of an item in it.

    Whoever stands there has seen this item and all before it. Item -1 is the place before the event's first.
    """

    number: int
    item: int


def start_of(number: int) -> Position:
    """The place before the first item of an event."""
    return Position(number, -1)


class ItemKind(Enum):
    """What an item of an event is, in the order in which an event lists them."""

    RESULT = "result"
    STATUS_CHANGE = "status change"
    INCIDENT_EVENT = "incident event"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that happened to one check, with the row that tells it."""

    position: Position
    kind: ItemKind
    check_id: int
    row: asyncpg.Record


@dataclass(frozen=True, slots=True)
class Interest:
    """The checks that are of interest: these, and those of these sites."""

    check_ids: frozenset[int] = frozenset()
    site_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Page:
    """The items after one position up to another, in order; whoever read them stands at `end`.

    `lag` is how long ago the oldest of their events was written, None without any.
    """

    items: list[Item]
    end: Position
    has_more: bool
    lag: timedelta | None = None


_NEWEST = "SELECT number FROM event_counters WHERE organization_id = $1"
_OLDEST = "SELECT min(number) FROM events WHERE organization_id = $1"
_KEPT = "SELECT true FROM events WHERE organization_id = $1 AND number = $2"
_EVENTS: Final = f"""
SELECT number, cardinality(result_check_ids) AS results, result_check_ids, result_slots, result_location_ids,
       status_change_ids, incident_event_ids, clock_timestamp() - at AS lag
FROM (SELECT *, sum(cardinality(result_check_ids)) OVER (ORDER BY number) - cardinality(result_check_ids) AS before
      FROM events WHERE organization_id = $1 AND number BETWEEN $2 AND $3 ORDER BY number LIMIT {_PAGE_EVENTS}) e
WHERE before < {_PAGE_RESULTS} ORDER BY number
"""  # noqa: S608 - its numbers are constants
_CHANGES = """
SELECT number, cardinality(result_check_ids) AS results, status_change_ids, incident_event_ids,
       clock_timestamp() - at AS lag
FROM events WHERE organization_id = $1 AND number BETWEEN $2 AND $3
     AND (cardinality(status_change_ids) > 0 OR cardinality(incident_event_ids) > 0) ORDER BY number
"""
# The bounds of the slots let partitions be left out.
_RESULTS = """
SELECT k.place, r.check_id, r.slot, r.started_at, r.duration_us, r.outcome, r.reason, r.message, r.status_code,
       r.resolve_us, r.connect_us, r.tls_us, r.processing_us, r.transfer_us, r.address, r.certificate_expires_at,
       r.attempts, r.tls_verified, r.evidence, l.name AS location
FROM unnest($1::bigint[], $2::timestamptz[], $3::smallint[]) WITH ORDINALITY AS k (check_id, slot, location_id, place)
JOIN results r ON r.check_id = k.check_id AND r.slot = k.slot AND r.location_id = k.location_id
JOIN locations l ON l.id = r.location_id
WHERE r.slot BETWEEN $4 AND $5
"""
_STATUS_CHANGES = """
SELECT k.place, s.check_id, s.from_status, s.to_status, s.at, s.reason
FROM unnest($1::bigint[]) WITH ORDINALITY AS k (id, place) JOIN status_changes s ON s.id = k.id
"""
_INCIDENT_EVENTS = """
SELECT k.place, e.id, e.kind, e.at, e.message, e.actor, i.check_id, i.id AS incident_id,
       i.check_id AS incident_check_id, i.opened_at AS incident_opened_at, i.detected_at AS incident_detected_at,
       i.acknowledged_at AS incident_acknowledged_at, i.resolved_at AS incident_resolved_at,
       i.resolution AS incident_resolution, i.cause AS incident_cause, i.message AS incident_message
FROM unnest($1::bigint[]) WITH ORDINALITY AS k (id, place)
JOIN incident_events e ON e.id = k.id JOIN incidents i ON i.id = e.incident_id
"""
_CHECKS_OF_SITES = "SELECT id FROM checks WHERE id = ANY($1::bigint[]) AND site_id = ANY($2::bigint[])"


async def newest_position(connection: Connection, organization_id: int) -> Position:
    """The place after everything that happened so far."""
    return start_of((await connection.fetchval(_NEWEST, organization_id) or 0) + 1)


async def require_replayable(connection: Connection, organization_id: int, position: Position) -> None:
    """Raises CursorExpiredError when something after the position was dropped, or the position never was."""
    newest = await newest_position(connection, organization_id)
    if position > newest:
        raise CursorUnknownError
    if position == newest:
        return
    if not await connection.fetchval(_KEPT, organization_id, position.number):
        raise CursorExpiredError


async def read_page(
    connection: Connection,
    organization_id: int,
    after: Position,
    kinds: Collection[ItemKind],
    *,
    until: Position | None = None,
    interest: Interest | None = None,
) -> Page:
    """The next items of these kinds after a position, but none after `until`; a bounded number of them.

    Raises CursorExpiredError when some of them were dropped.
    """
    if until is not None and after >= until:
        return Page([], after, has_more=False)
    read = _read_every_event if ItemKind.RESULT in kinds else _search_events
    events, end, has_more = await read(connection, organization_id, after, until)
    places = [place for event in events for place in _places(event, kinds) if after < place.position <= end]
    items: list[Item] = []
    for kind in kinds:
        items += await _read_items(connection, kind, [place for place in places if place.kind is kind], interest)
    lag = max((event["lag"] for event in events), default=None)
    return Page(sorted(items, key=attrgetter("position")), end, has_more, lag=lag)


_Events: TypeAlias = tuple[list[asyncpg.Record], Position, bool]
"""Some events after a position, where they end, and whether there are more."""


async def _read_every_event(
    connection: Connection, organization_id: int, after: Position, until: Position | None
) -> _Events:
    last_number = _LARGEST if until is None else _last_number(until)
    events = await connection.fetch(_EVENTS, organization_id, after.number, last_number)
    if not events and until is None:
        return [], after, False
    # Retention keeps events that changed something for longer than the others around them.
    if [event["number"] for event in events] != list(range(after.number, after.number + len(events))) or not events:
        raise CursorExpiredError
    end = start_of(events[-1]["number"] + 1)
    if until is not None:
        return events, min(end, until), end < until
    is_full = len(events) == _PAGE_EVENTS or sum(event["results"] for event in events) >= _PAGE_RESULTS
    return events, end, is_full


async def _search_events(
    connection: Connection, organization_id: int, after: Position, until: Position | None
) -> _Events:
    last = until or await newest_position(connection, organization_id)
    if after >= last:
        return [], after, False
    last_number = min(_last_number(last), after.number + _PAGE_EVENTS_SEARCHED)
    events = await connection.fetch(_CHANGES, organization_id, after.number, last_number)
    # Asked afterwards, so that nothing was dropped while the events were read.
    oldest = await connection.fetchval(_OLDEST, organization_id)
    if oldest is None or oldest > after.number:
        raise CursorExpiredError
    end = min(start_of(last_number + 1), last)
    return events, end, end < last


def _last_number(until: Position) -> int:
    """The last event of which anything comes before or at a position."""
    return until.number if until.item >= 0 else until.number - 1


class _Place(NamedTuple):
    """An item before its row is read, which `key` names."""

    position: Position
    kind: ItemKind
    key: tuple[Any, ...]


def _places(event: asyncpg.Record, kinds: Collection[ItemKind]) -> Iterator[_Place]:
    """Everything of these kinds that an event lists."""
    number, results = event["number"], event["results"]
    if ItemKind.RESULT in kinds:
        keys = zip(event["result_check_ids"], event["result_slots"], event["result_location_ids"], strict=True)
        yield from (_Place(Position(number, i), ItemKind.RESULT, key) for i, key in enumerate(keys))
    changes, incident_events = event["status_change_ids"], event["incident_event_ids"]
    if ItemKind.STATUS_CHANGE in kinds:
        yield from (
            _Place(Position(number, i), ItemKind.STATUS_CHANGE, (key,)) for i, key in enumerate(changes, results)
        )
    if ItemKind.INCIDENT_EVENT in kinds:
        start = results + len(changes)
        yield from (
            _Place(Position(number, i), ItemKind.INCIDENT_EVENT, (key,)) for i, key in enumerate(incident_events, start)
        )


async def _read_items(
    connection: Connection, kind: ItemKind, places: Sequence[_Place], interest: Interest | None
) -> list[Item]:
    if kind is ItemKind.RESULT and interest is not None:
        allowed = await _checks_in(connection, interest, {place.key[0] for place in places})
        places = [place for place in places if place.key[0] in allowed]
    if not places:
        return []
    rows = await connection.fetch(_ROWS[kind], *_arguments(kind, places))
    items = [Item(places[row["place"] - 1].position, kind, row["check_id"], row) for row in rows]
    if kind is ItemKind.RESULT or interest is None:
        return items
    allowed = await _checks_in(connection, interest, {item.check_id for item in items})
    return [item for item in items if item.check_id in allowed]


_ROWS: Final[Mapping[ItemKind, str]] = {
    ItemKind.RESULT: _RESULTS,
    ItemKind.STATUS_CHANGE: _STATUS_CHANGES,
    ItemKind.INCIDENT_EVENT: _INCIDENT_EVENTS,
}


def _arguments(kind: ItemKind, places: Sequence[_Place]) -> list[object]:
    columns: list[object] = [list(column) for column in zip(*(place.key for place in places), strict=True)]
    if kind is ItemKind.RESULT:
        slots = [place.key[1] for place in places]
        columns += [min(slots), max(slots)]
    return columns


async def _checks_in(connection: Connection, interest: Interest, check_ids: Collection[int]) -> set[int]:
    """Those of the checks that a interest holds."""
    found = {check_id for check_id in check_ids if check_id in interest.check_ids}
    if interest.site_ids:
        rows = await connection.fetch(_CHECKS_OF_SITES, list(check_ids), list(interest.site_ids))
        found.update(row["id"] for row in rows)
    return found


_NUMBERS = "SELECT organization_id, number FROM tocsin_event_numbers($1::bigint[])"


async def newest_positions(connection: Connection, organization_ids: Collection[int]) -> dict[int, Position]:
    """How far the logs of these organizations have come, on a connection that sees none of them."""
    rows = await connection.fetch(_NUMBERS, list(organization_ids))
    return {row["organization_id"]: start_of(row["number"] + 1) for row in rows}
