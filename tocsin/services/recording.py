"""Record what probes saw: one path, one short transaction a flush.

Results are stored once, states fold what is contiguous, transitions write incidents, and one event for each
organization is appended last. Arrival order, repeats, crashes and restarts cannot matter.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

import asyncpg

from tocsin.database import Connection, columns
from tocsin.domain.folding import Course, Progress, RecordedSlot, fold
from tocsin.domain.observations import Observation
from tocsin.domain.status import CheckState, SlotResult, Status
from tocsin.models.codes import OUTCOME_CODES, OUTCOMES, reason_code, reason_of
from tocsin.services.courses import KEPT_FROM, newest_course, read_courses
from tocsin.services.event_log import News, append_news
from tocsin.services.rollups import hour_of, mark_hours
from tocsin.services.transitions import CheckEvent, write_transitions

_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Result:
    """How one slot of a check ended at a location, and the revision of the check that was probed."""

    check_id: int
    slot: datetime
    location_id: int
    revision: int
    observation: Observation


# No foreign key and no organization from the message: the check's row decides both.
_INSERT = f"""
INSERT INTO results (organization_id, check_id, slot, location_id, revision, started_at, duration_us, outcome, reason,
                     status_code, resolve_us, connect_us, tls_us, processing_us, transfer_us, certificate_expires_at,
                     address, message)
SELECT c.organization_id, d.check_id, d.slot, d.location_id, d.revision, d.started_at, d.duration_us, d.outcome,
       d.reason, d.status_code, d.resolve_us, d.connect_us, d.tls_us, d.processing_us, d.transfer_us,
       d.certificate_expires_at, d.address::inet, d.message
FROM unnest($1::bigint[], $2::timestamptz[], $3::smallint[], $4::int[], $5::timestamptz[], $6::int[], $7::smallint[],
            $8::smallint[], $9::smallint[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[],
            $15::timestamptz[], $16::text[], $17::text[])
  AS d (check_id, slot, location_id, revision, started_at, duration_us, outcome, reason, status_code, resolve_us,
        connect_us, tls_us, processing_us, transfer_us, certificate_expires_at, address, message)
JOIN checks c ON c.id = d.check_id AND c.deleted_at IS NULL
WHERE d.slot >= {KEPT_FROM}
ORDER BY d.check_id, d.slot, d.location_id
ON CONFLICT DO NOTHING
RETURNING organization_id, check_id, slot, location_id
"""  # noqa: S608 - no value of a user is in it
_LOCK_STATES = """
SELECT s.check_id, s.location_id, s.organization_id, s.folded_through, s.status, s.since, s.decided, s.run_length,
       s.run_started_at, v.revision, v.valid_from, v.valid_to, v.interval_ms, v.phase_ms, v.cron, v.time_zone,
       v.paused, v.failure_threshold, v.success_threshold
FROM unnest($1::bigint[], $2::smallint[]) AS k (check_id, location_id)
JOIN check_states s ON s.check_id = k.check_id AND s.location_id = k.location_id
JOIN checks c ON c.id = s.check_id
JOIN check_versions v ON v.check_id = c.id AND v.revision = c.revision
ORDER BY s.check_id, s.location_id FOR NO KEY UPDATE OF s
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
    run_length = d.run_length, run_started_at = d.run_started_at, last_slot = d.slot, last_started_at = d.started_at,
    last_duration_us = d.duration_us, last_outcome = d.outcome, last_reason = d.reason, last_message = d.message,
    last_status_code = d.status_code,
    certificate_expires_at = coalesce(d.certificate_expires_at, s.certificate_expires_at)
FROM unnest($1::bigint[], $2::smallint[], $3::timestamptz[], $4::text[], $5::timestamptz[], $6::text[], $7::int[],
            $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::int[], $12::smallint[], $13::smallint[],
            $14::text[], $15::smallint[], $16::timestamptz[])
  AS d (check_id, location_id, folded_through, status, since, decided, run_length, run_started_at, slot, started_at,
        duration_us, outcome, reason, message, status_code, certificate_expires_at)
WHERE s.check_id = d.check_id AND s.location_id = d.location_id
"""


async def record(connection: Connection, results: Sequence[Result], now: datetime) -> dict[int, int]:
    """Store the results and fold what they complete, in one transaction.

    Return the number of the event that was appended for each organization. Safe to repeat: what is stored stays.
    """
    async with connection.transaction():
        inserted = await _insert(connection, results)
        if not inserted:
            return {}
        await _mark_past_hours(connection, inserted, now)
        events = await _fold_states(connection, inserted)
        news = defaultdict(News, await write_transitions(connection, events) if events else {})
        for row in inserted:
            news[row["organization_id"]].results.append((row["check_id"], row["slot"], row["location_id"]))
        return await append_news(connection, news)


async def _insert(connection: Connection, results: Sequence[Result]) -> list[asyncpg.Record]:
    # In one order everywhere, so that two transactions with the same keys wait for one another and never in a circle.
    ordered = sorted(results, key=attrgetter("check_id", "slot", "location_id"))
    return await connection.fetch(_INSERT, *columns([_row(result) for result in ordered], 17))


def _row(result: Result) -> tuple[object, ...]:
    key = (result.check_id, result.slot, result.location_id, result.revision)
    return (*key, *observation_row(result.observation))


def observation_row(seen: Observation) -> tuple[object, ...]:
    """What a probe saw, in the order of the columns that hold it."""
    phases = seen.phases
    return (
        seen.started_at,
        seen.duration // _MICROSECOND,
        OUTCOME_CODES[seen.outcome],
        reason_code(seen.reason),
        seen.status_code,
        _microseconds(phases.resolve),
        _microseconds(phases.connect),
        _microseconds(phases.tls),
        _microseconds(phases.processing),
        _microseconds(phases.transfer),
        seen.certificate_expires_at,
        seen.address,
        seen.message,
    )


def _microseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // _MICROSECOND


async def _mark_past_hours(connection: Connection, inserted: Sequence[asyncpg.Record], now: datetime) -> None:
    """The running hour is rolled up when it is over; an earlier one has been, or soon will be."""
    await mark_hours(connection, {hour_of(row["slot"]) for row in inserted} - {hour_of(now)})


@dataclass(frozen=True, slots=True)
class _Folded:
    """One state's row, before and after."""

    row: asyncpg.Record
    progress: Progress
    last: asyncpg.Record


async def _fold_states(connection: Connection, inserted: Sequence[asyncpg.Record]) -> list[CheckEvent]:
    keys = sorted({(row["check_id"], row["location_id"]) for row in inserted})
    states = await connection.fetch(_LOCK_STATES, *columns(keys, 2))
    # In a new statement: what others committed while this one waited for the locks is to be seen.
    recorded = await _recorded(connection, states, max(row["slot"] for row in inserted))
    courses = await _courses(connection, states, recorded)
    folded, events = _fold_all(states, recorded, courses)
    if folded:
        await connection.execute(_UPDATE_STATES, *columns([_state_row(each) for each in folded], 16))
    return events


Key = tuple[int, int]  # (check id, location id)


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
            events.extend(CheckEvent(row["organization_id"], *key, event) for event in new_events)
            folded.append(_Folded(row, after, last))
    return folded, events


def _state(row: asyncpg.Record) -> CheckState:
    unknown = row["status"] == Status.UNKNOWN
    return CheckState(row["since"], Status(row["decided"]), unknown, row["run_length"], row["run_started_at"])


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
        last["slot"],
        last["started_at"],
        last["duration_us"],
        last["outcome"],
        last["reason"],
        last["message"],
        last["status_code"],
        last["certificate_expires_at"],
    )
