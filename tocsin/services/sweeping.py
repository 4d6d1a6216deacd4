"""Find what was left behind: leases whose holder is gone, slots that nobody probed, slots that were never planned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import asyncpg

from tocsin.database import Connection, columns
from tocsin.domain.folding import Course, due_outside_gaps
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.services.courses import KEPT_FROM, read_courses
from tocsin.services.planning import CATCH_UP_LIMIT
from tocsin.services.recording import Result

# A heartbeat comes every second; a holder that shows none for this long is taken to be gone.
LEASE_SECONDS = 5.0
# What recording may take after a probe's timeout, before its slot counts as missed.
RECORD_GRACE = timedelta(seconds=10)
# A slot this old that stands in no batch was never planned: every planned one is over by then.
UNPLANNED_AFTER = CATCH_UP_LIMIT + RECORD_GRACE + timedelta(seconds=20)
# How many missed slots are written at a time.
_MOST_MISSED = 2000

Beat = tuple[UUID, int, int]  # (holder, attempt, heartbeat)


@dataclass(slots=True)
class LeaseWatch:
    """Remembers since when each heartbeat has stood still, on this process's own monotonic clock.

    No clock of another machine is compared, so neither a skew nor a step of one ends a lease.
    """

    _seen: dict[int, tuple[Beat, float]] = field(default_factory=dict)

    def expired(self, beats: Mapping[int, Beat], monotonic: float) -> dict[int, Beat]:
        """The batches whose heartbeat has stood still for too long, given all that are held now."""
        self._seen = {
            batch_id: seen if (seen := self._seen.get(batch_id)) and seen[0] == beat else (beat, monotonic)
            for batch_id, beat in beats.items()
        }
        return {i: beat for i, (beat, since) in self._seen.items() if monotonic - since >= LEASE_SECONDS}


_HELD = """
SELECT batch_id, holder, attempt, heartbeat FROM batch_leases
WHERE done_at IS NULL AND holder IS NOT NULL AND batch_id >= $1
"""
_RELEASE = """
UPDATE batch_leases l SET holder = NULL
FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::int[]) AS d (batch_id, holder, attempt, heartbeat)
JOIN batches b ON b.id = d.batch_id JOIN locations p ON p.id = b.location_id
WHERE l.batch_id = d.batch_id AND l.holder = d.holder AND l.attempt = d.attempt AND l.heartbeat = d.heartbeat
  AND l.done_at IS NULL
RETURNING p.name, l.batch_id
"""


async def release_expired(
    connection: Connection, watch: LeaseWatch, watermark: int, monotonic: float
) -> list[tuple[str, int]]:
    """Open the batches whose holder is gone, for others to take. Return each behind the name of its location."""
    held = await connection.fetch(_HELD, watermark)
    beats = {row["batch_id"]: (row["holder"], row["attempt"], row["heartbeat"]) for row in held}
    expired = watch.expired(beats, monotonic)
    if not expired:
        return []
    rows = [(batch_id, *beat) for batch_id, beat in sorted(expired.items())]
    return [(row["name"], row["batch_id"]) for row in await connection.fetch(_RELEASE, *columns(rows, 4))]


# A slot is missed once nobody can be probing it any more: nobody took it within the catch-up limit, or its probe,
# started as late as that, would have ended and been recorded.
_UNENDED = f"""
SELECT b.id AS batch_id, d.check_id, d.revision, b.location_id,
       b.tick_at + d.offset_ms * interval '1 millisecond' AS slot
FROM batch_leases l JOIN batches b ON b.id = l.batch_id,
     unnest(b.check_ids, b.revisions, b.offsets_ms) AS d (check_id, revision, offset_ms)
JOIN checks c ON c.id = d.check_id AND c.deleted_at IS NULL
LEFT JOIN check_versions v ON v.check_id = d.check_id AND v.revision = d.revision
WHERE l.done_at IS NULL AND l.batch_id >= $1 AND b.tick_at < $2::timestamptz - interval '1 second'
  AND b.tick_at >= {KEPT_FROM} AND (l.holder IS NULL
       OR b.tick_at + interval '1 second' + coalesce(v.longest_run_ms, 0) * interval '1 millisecond'
          < $2::timestamptz - $3::interval)
  AND NOT EXISTS (SELECT FROM results r WHERE r.check_id = d.check_id AND r.location_id = b.location_id
                  AND r.slot = b.tick_at + d.offset_ms * interval '1 millisecond')
LIMIT $4
"""  # noqa: S608 - no value of a user is in it


async def unprobed_slots(connection: Connection, watermark: int, now: datetime) -> list[Result]:
    """The planned slots that are over without a result, as results that say so."""
    limit = now - CATCH_UP_LIMIT
    rows = await connection.fetch(_UNENDED, watermark, limit, RECORD_GRACE, _MOST_MISSED)
    return [_missed(row, row["slot"], Reason.LEASE_EXPIRED, now) for row in rows]


_FINISH_OVER = f"""
UPDATE batch_leases l SET done_at = clock_timestamp(), attempt = l.attempt + 1
FROM batches b
WHERE b.id = l.batch_id AND l.done_at IS NULL AND l.batch_id >= $1 AND b.tick_at < $2::timestamptz - interval '1 second'
  AND (b.tick_at < {KEPT_FROM} OR NOT EXISTS (
    SELECT FROM unnest(b.check_ids, b.offsets_ms) AS d (check_id, offset_ms)
    JOIN checks c ON c.id = d.check_id AND c.deleted_at IS NULL
    WHERE NOT EXISTS (SELECT FROM results r WHERE r.check_id = d.check_id AND r.location_id = b.location_id
                      AND r.slot = b.tick_at + d.offset_ms * interval '1 millisecond')))
"""  # noqa: S608


async def finish_over(connection: Connection, watermark: int, now: datetime) -> None:
    """Close the batches that are over and whose slots all have a result, though no worker said so."""
    await connection.execute(_FINISH_OVER, watermark, now - CATCH_UP_LIMIT)


# The states that stand behind their schedule by more than anything planned can explain. Instants of cron expressions
# are asked for, as hours may lie between two of them.
_BEHIND = """
SELECT s.check_id, s.location_id, s.folded_through, v.longest_run_ms, c.revision
FROM check_states s JOIN checks c ON c.id = s.check_id AND c.deleted_at IS NULL
JOIN check_versions v ON v.check_id = c.id AND v.revision = c.revision AND NOT v.paused
WHERE s.check_id > $2 AND s.location_id > 0 AND CASE
    WHEN v.cron IS NULL
    THEN s.folded_through + (v.interval_ms + v.longest_run_ms) * interval '1 millisecond' < $1
    ELSE EXISTS (SELECT FROM cron_instants i WHERE i.check_id = s.check_id AND i.slot > s.folded_through
                 AND i.slot + v.longest_run_ms * interval '1 millisecond' < $1) END
ORDER BY s.check_id LIMIT 500
"""
_ENDED = """
SELECT r.check_id, r.location_id, r.slot FROM results r
WHERE r.check_id = ANY($1::bigint[]) AND r.slot > $2 AND r.slot <= $3
"""


async def unplanned_slots(connection: Connection, now: datetime) -> list[Result]:
    """The slots that were due and never planned, as results that say so.

    That is what a schedule's edit leaves when its transaction commits too late for the planner to see it.
    """
    over = now - UNPLANNED_AFTER
    missed: list[Result] = []
    after_check_id = 0
    # Those that are behind and have missed nothing, such as after a gap, must not hide the others.
    while len(missed) < _MOST_MISSED and (behind := await connection.fetch(_BEHIND, over, after_check_id)):
        missed += await _unplanned_among(connection, behind, over, now)
        after_check_id = behind[-1]["check_id"]
    return missed[:_MOST_MISSED]


async def _unplanned_among(
    connection: Connection, behind: Sequence[asyncpg.Record], over: datetime, now: datetime
) -> list[Result]:
    since = min(row["folded_through"] for row in behind)
    check_ids = [row["check_id"] for row in behind]
    courses = await read_courses(connection, check_ids, since)
    ended = {
        (r["check_id"], r["location_id"], r["slot"]) for r in await connection.fetch(_ENDED, check_ids, since, now)
    }
    return [
        _missed(row, slot, Reason.NOT_PLANNED, now)
        for row in behind
        if row["check_id"] in courses
        for slot in _due(row, courses[row["check_id"]], over)
        if (row["check_id"], row["location_id"], slot) not in ended
    ]


def _due(state: asyncpg.Record, course: Course, over: datetime) -> Iterator[datetime]:
    until = over - timedelta(milliseconds=state["longest_run_ms"])
    return islice(due_outside_gaps(course, state["folded_through"], until), _MOST_MISSED)


def _missed(row: asyncpg.Record, slot: datetime, reason: Reason, now: datetime) -> Result:
    observation = Observation(Outcome.MISSED, now, timedelta(0), reason)
    return Result(row["check_id"], slot, row["location_id"], row["revision"], observation)
