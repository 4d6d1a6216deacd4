"""Fold what is recorded into the states of checks, through the state machine.

The caller has locked the states, in a statement before: what others committed while it waited for them is to be seen.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from tocsin.database import Connection, columns
from tocsin.domain.failure_window import Window
from tocsin.domain.folding import Course, Progress, RecordedSlot, fold
from tocsin.domain.status import CheckState, SlotResult, Status
from tocsin.models.codes import OUTCOMES, reason_of
from tocsin.services.courses import newest_course, read_courses
from tocsin.services.joining import join_locations
from tocsin.services.transitions import CHECK_ITSELF, CheckEvent

Key = tuple[int, int]  # (check id, location id)

_HOUR = timedelta(hours=1)

_STATES = """
SELECT s.check_id, s.location_id, s.organization_id, s.folded_through, s.status, s.since, s.decided, s.run_length,
       s.run_started_at, s.recent_slots, s.waiting, v.revision, v.valid_from, v.valid_to, v.interval_ms, v.phase_ms,
       v.cron, v.time_zone, v.paused, v.failure_threshold, v.success_threshold, v.failure_window,
       c.state_location_id
FROM unnest($1::bigint[], $2::smallint[]) AS k (check_id, location_id)
JOIN check_states s ON s.check_id = k.check_id AND s.location_id = k.location_id
JOIN checks c ON c.id = s.check_id
JOIN check_versions v ON v.check_id = c.id AND v.revision = c.revision
"""
_RECORDED = """
SELECT r.check_id, r.location_id, r.slot, r.revision, r.outcome, r.reason, r.message, r.started_at, r.duration_us,
       r.status_code, r.certificate_expires_at
FROM unnest($1::bigint[], $2::smallint[], $3::timestamptz[]) AS f (check_id, location_id, through)
JOIN results r ON r.check_id = f.check_id AND r.location_id = f.location_id AND r.slot > f.through
WHERE r.slot > $4 AND r.slot <= $5
ORDER BY r.check_id, r.location_id, r.slot
"""
_UPDATE_STATES = """
UPDATE check_states s
SET folded_through = d.folded_through, status = d.status, since = d.since, decided = d.decided,
    run_length = d.run_length, run_started_at = d.run_started_at, recent_slots = d.recent_slots::timestamptz[],
    last_slot = d.slot, last_started_at = d.started_at,
    last_duration_us = d.duration_us, last_outcome = d.outcome, last_reason = d.reason, last_message = d.message,
    last_status_code = d.status_code,
    certificate_expires_at = coalesce(d.certificate_expires_at, s.certificate_expires_at)
FROM unnest($1::bigint[], $2::smallint[], $3::timestamptz[], $4::text[], $5::timestamptz[], $6::text[], $7::int[],
            $8::timestamptz[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::int[], $13::smallint[],
            $14::smallint[], $15::text[], $16::smallint[], $17::timestamptz[])
  AS d (check_id, location_id, folded_through, status, since, decided, run_length, run_started_at, recent_slots, slot,
        started_at, duration_us, outcome, reason, message, status_code, certificate_expires_at)
WHERE s.check_id = d.check_id AND s.location_id = d.location_id
"""
_MARK_WAITING = """
UPDATE check_states s SET waiting = d.waiting
FROM unnest($1::bigint[], $2::smallint[], $3::bool[]) AS d (check_id, location_id, waiting)
WHERE s.check_id = d.check_id AND s.location_id = d.location_id
"""


@dataclass(frozen=True, slots=True)
class _Folded:
    """One state's row, before and after."""

    row: asyncpg.Record
    progress: Progress
    last: asyncpg.Record


async def fold_states(connection: Connection, keys: Sequence[Key], newest: datetime) -> list[CheckEvent]:
    """Fold what is contiguous, up to an hour behind `newest`; return what the state machine decided.

    Where a check has several locations, that is what each of them shows, and then what it comes to.
    """
    states = await connection.fetch(_STATES, *columns(keys, 2))
    recorded = await _recorded(connection, states, newest)
    courses = await _courses(connection, states, recorded)
    folded, events = _fold_all(states, recorded, courses)
    if folded:
        await connection.execute(_UPDATE_STATES, *columns([_state_row(each) for each in folded], 17))
    if marks := list(_waiting_marks(states, recorded, folded)):
        await connection.execute(_MARK_WAITING, *columns(marks, 3))
    if several := sorted({row["check_id"] for row in states if row["state_location_id"] == CHECK_ITSELF}):
        events += await join_locations(connection, several, events, newest)
    return events


async def _recorded(
    connection: Connection, states: Sequence[asyncpg.Record], newest: datetime
) -> dict[Key, list[asyncpg.Record]]:
    recorded: defaultdict[Key, list[asyncpg.Record]] = defaultdict(list)
    if states:
        keys = [(row["check_id"], row["location_id"], row["folded_through"]) for row in states]
        oldest = min(through for _, _, through in keys)
        # Bounds that are the same for all rows let PostgreSQL leave out the partitions beyond them.
        for row in await connection.fetch(_RECORDED, *columns(keys, 3), oldest, newest + _HOUR):
            recorded[row["check_id"], row["location_id"]].append(row)
    return recorded


async def _courses(
    connection: Connection, states: Sequence[asyncpg.Record], recorded: dict[Key, list[asyncpg.Record]]
) -> dict[int, Course]:
    """What was due, for each check. Most follow their newest version without a hole; for the others all is read."""
    courses = {row["check_id"]: newest_course(row) for row in states}
    rough = [row for row in states if not _is_smooth(row, recorded[row["check_id"], row["location_id"]], courses)]
    if rough:
        since = min(row["folded_through"] for row in rough)
        courses |= await read_courses(connection, [row["check_id"] for row in rough], since)
    return courses


def _is_smooth(row: asyncpg.Record, recorded: list[asyncpg.Record], courses: dict[int, Course]) -> bool:
    if not recorded:
        return True
    through: datetime = row["folded_through"]
    first: datetime = recorded[0]["slot"]
    newest: datetime = row["valid_from"]
    return newest <= through and first == courses[row["check_id"]].due_after(through)


def _fold_all(
    states: Sequence[asyncpg.Record], recorded: dict[Key, list[asyncpg.Record]], courses: dict[int, Course]
) -> tuple[list[_Folded], list[CheckEvent]]:
    folded: list[_Folded] = []
    events: list[CheckEvent] = []
    for row in states:
        key = row["check_id"], row["location_id"]
        before = Progress(_state(row), row["folded_through"])
        after, new_events = fold(before, [_recorded_slot(result) for result in recorded[key]], courses[row["check_id"]])
        last = next((result for result in reversed(recorded[key]) if result["slot"] <= after.through), None)
        # Where a gap alone was crossed, it waits for the first result behind it, which crosses it again.
        if last is not None and after.through > before.through:
            place = CHECK_ITSELF if row["state_location_id"] == row["location_id"] else row["location_id"]
            events.extend(CheckEvent(row["organization_id"], row["check_id"], place, event) for event in new_events)
            folded.append(_Folded(row, after, last))
    return folded, events


def _waiting_marks(
    states: Sequence[asyncpg.Record], recorded: dict[Key, list[asyncpg.Record]], folded: Sequence[_Folded]
) -> Iterator[tuple[int, int, bool]]:
    """The states that begin or end to have results behind them that wait for an earlier slot."""
    through = {(each.row["check_id"], each.row["location_id"]): each.progress.through for each in folded}
    for row in states:
        key = row["check_id"], row["location_id"]
        waiting = bool(recorded[key]) and recorded[key][-1]["slot"] > through.get(key, row["folded_through"])
        if waiting != row["waiting"]:
            yield (*key, waiting)


def _state(row: asyncpg.Record) -> CheckState:
    unknown = row["status"] == Status.UNKNOWN
    run = row["run_length"], row["run_started_at"], tuple(row["recent_slots"] or ())
    return CheckState(row["since"], Status(row["decided"]), unknown, *run)


def _recorded_slot(row: asyncpg.Record) -> RecordedSlot:
    result = SlotResult(row["slot"], OUTCOMES[row["outcome"]], reason_of(row["reason"]), row["message"])
    return RecordedSlot(row["revision"], result)


def _state_row(folded: _Folded) -> tuple[Any, ...]:
    state, last = folded.progress.state, folded.last
    return (
        folded.row["check_id"],
        folded.row["location_id"],
        folded.progress.through,
        state.status,
        state.since,
        state.decided,
        state.run_length,
        state.run_started_at,
        _array(state.window),
        last["slot"],
        last["started_at"],
        last["duration_us"],
        last["outcome"],
        last["reason"],
        last["message"],
        last["status_code"],
        last["certificate_expires_at"],
    )


def _array(window: Window) -> str | None:
    """As PostgreSQL writes an array, for unnest would take arrays apart; None for an empty one."""
    return "{" + ",".join(slot.isoformat() if slot else "NULL" for slot in window) + "}" if window else None
