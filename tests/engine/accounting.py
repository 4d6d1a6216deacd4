"""What was due against what was recorded: computed in Python from the versions of schedules, apart from the engine."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from tocsin.domain.folding import Course, Progress, RecordedSlot, fold
from tocsin.domain.observations import Outcome
from tocsin.domain.schedule import slots
from tocsin.domain.status import CheckState, Event, IncidentOpened, IncidentResolved, SlotResult, Status, StatusChanged
from tocsin.models.codes import OUTCOMES, reason_of
from tocsin.services.courses import read_courses

_IDS = "SELECT id FROM checks WHERE deleted_at IS NULL ORDER BY id"
_FOLDED = """
SELECT s.check_id, s.folded_through FROM check_states s JOIN checks c ON c.id = s.check_id
WHERE c.deleted_at IS NULL AND NOT c.paused
"""
_RESULTS = """
SELECT check_id, slot, started_at, outcome, reason, revision, message FROM results
WHERE slot > $1 AND slot <= $2 ORDER BY check_id, slot
"""


@dataclass
class Account:
    """Every slot that was due in a window, by how it ended.

    `strays` were probed and not due; `unfolded` are the checks whose state has not come to their last due slot.
    """

    due: int = 0
    probed: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    in_gaps: int = 0
    silent: list[tuple[int, datetime]] = field(default_factory=list)
    strays: list[tuple[int, datetime]] = field(default_factory=list)
    unfolded: list[int] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)  # seconds, in order

    @property
    def max_lateness(self) -> float:
        return self.lateness[-1] if self.lateness else 0.0

    def percentile(self, share: float) -> float:
        """The lateness in seconds that this share of the probes did not exceed."""
        return self.lateness[min(len(self.lateness) - 1, int(len(self.lateness) * share))] if self.lateness else 0.0

    def __str__(self) -> str:
        late = f"lateness p50 {self.percentile(0.5):.3f} p99 {self.percentile(0.99):.3f} max {self.max_lateness:.3f} s"
        return (
            f"{self.due} due, {self.probed} probed, {dict(self.missed)} missed, {self.in_gaps} in gaps, "
            f"{len(self.silent)} silent, {len(self.strays)} strays, {len(self.unfolded)} unfolded, {late}"
        )


async def account(connection: asyncpg.Connection, since: datetime, until: datetime) -> Account:
    """Account for every slot that was due in `(since, until]`."""
    check_ids = [row["id"] for row in await connection.fetch(_IDS)]
    courses = await read_courses(connection, check_ids, since)
    results: defaultdict[int, dict[datetime, asyncpg.Record]] = defaultdict(dict)
    for row in await connection.fetch(_RESULTS, since, until):
        results[row["check_id"]][row["slot"]] = row
    folded = {row["check_id"]: row["folded_through"] for row in await connection.fetch(_FOLDED)}
    total = Account()
    for check_id, course in courses.items():
        due = list(slots(course.versions, since, until))
        if due and check_id in folded and folded[check_id] < due[-1] and not course.gap_around(due[-1]):
            total.unfolded.append(check_id)
        _account_check(total, check_id, course, results[check_id], due)
    total.lateness.sort()
    return total


def _account_check(
    total: Account,
    check_id: int,
    course: Course,
    results: dict[datetime, asyncpg.Record],
    due: Sequence[datetime],
) -> None:
    total.due += len(due)
    for slot in due:
        row = results.pop(slot, None)
        if row is not None:
            _count(total, row)
        elif course.gap_around(slot):
            total.in_gaps += 1
        else:
            total.silent.append((check_id, slot))
    total.strays.extend((check_id, slot) for slot in results)


def _count(total: Account, row: asyncpg.Record) -> None:
    if OUTCOMES[row["outcome"]] is Outcome.MISSED:
        total.missed[str(reason_of(row["reason"]))] += 1
    else:
        total.probed += 1
        total.lateness.append((row["started_at"] - row["slot"]).total_seconds())


async def inconsistencies(connection: asyncpg.Connection) -> list[str]:
    """What contradicts the invariants: events, incidents, and states against a fresh fold of all results."""
    return [
        *await _event_problems(connection),
        *await _incident_problems(connection),
        *await _fold_problems(connection),
    ]


async def _event_problems(connection: asyncpg.Connection) -> list[str]:
    problems = []
    row = await connection.fetchrow("""
        SELECT count(*) AS n, coalesce(max(number), 0) AS newest, (SELECT number FROM event_counters) AS counter
        FROM events
    """)
    assert row is not None
    if not row["n"] == row["newest"] == row["counter"]:
        problems.append(f"events are not numbered without gaps: {dict(row)}")
    row = await connection.fetchrow("""
        SELECT count(*) AS told, count(DISTINCT (c, s)) AS distinct_told, (SELECT count(*) FROM results) AS stored
        FROM events, unnest(result_check_ids, result_slots) AS d (c, s)
    """)
    assert row is not None
    if not row["told"] == row["distinct_told"] == row["stored"]:
        problems.append(f"events do not tell every result once: {dict(row)}")
    return problems


async def _incident_problems(connection: asyncpg.Connection) -> list[str]:
    overlapping = await connection.fetch("""
        SELECT a.check_id FROM incidents a JOIN incidents b ON b.check_id = a.check_id AND b.id > a.id
        WHERE b.opened_at < coalesce(a.resolved_at, 'infinity')
          AND coalesce(b.resolved_at, 'infinity') > a.opened_at
    """)
    unheld = await connection.fetch("""
        SELECT s.check_id FROM check_states s JOIN checks c ON c.id = s.check_id AND c.deleted_at IS NULL
        WHERE (s.decided = 'DOWN')
           <> EXISTS (SELECT FROM incidents i WHERE i.check_id = s.check_id AND i.resolved_at IS NULL)
    """)
    return [f"incidents of check {row['check_id']} overlap" for row in overlapping] + [
        f"check {row['check_id']} is down without an incident, or has one and is not" for row in unheld
    ]


_STATES = """
SELECT s.check_id, s.folded_through, s.status, s.since, s.decided, s.run_length, s.run_started_at
FROM check_states s JOIN checks c ON c.id = s.check_id AND c.deleted_at IS NULL AND c.revision = 1
"""
_ALL_RESULTS = """
SELECT check_id, slot, outcome, reason, revision, message FROM results WHERE check_id = ANY($1::bigint[])
ORDER BY check_id, slot
"""
_CHANGES = "SELECT check_id, from_status, to_status, at, slot FROM status_changes ORDER BY id"
_INCIDENTS = "SELECT check_id, opened_at, detected_at, resolved_at FROM incidents ORDER BY id"


async def _fold_problems(connection: asyncpg.Connection) -> list[str]:
    """The states, status changes and incidents of checks that were never edited, against a fold from the beginning."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        states = await connection.fetch(_STATES)
        ids = [row["check_id"] for row in states]
        courses = await read_courses(connection, ids, datetime.fromtimestamp(0, tz=states[0]["since"].tzinfo))
        recorded = _by_check(await connection.fetch(_ALL_RESULTS, ids))
        changes = _by_check(await connection.fetch(_CHANGES))
        incidents = _by_check(await connection.fetch(_INCIDENTS))
    problems = []
    for row in states:
        check_id = row["check_id"]
        through = row["folded_through"]
        before = [each for each in recorded[check_id] if each["slot"] <= through]
        state, events = _fold_anew(courses[check_id], before)
        stored = (row["status"], row["decided"], row["run_length"], row["run_started_at"])
        if stored != (state.status, state.decided, state.run_length, state.run_started_at):
            problems.append(f"check {check_id} is {stored}, its results say {state}")
        if _told(events) != [(e["from_status"], e["to_status"], e["at"], e["slot"]) for e in changes[check_id]]:
            problems.append(f"the status changes of check {check_id} are not those of its results")
        if _outages(events) != [(e["opened_at"], e["detected_at"], e["resolved_at"]) for e in incidents[check_id]]:
            problems.append(f"the incidents of check {check_id} are not those of its results")
    return problems


def _by_check(rows: Sequence[asyncpg.Record]) -> defaultdict[int, list[asyncpg.Record]]:
    by_check: defaultdict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        by_check[row["check_id"]].append(row)
    return by_check


def _fold_anew(course: Course, rows: Sequence[asyncpg.Record]) -> tuple[CheckState, Sequence[Event]]:
    start = course.versions[0].valid_from
    recorded = [
        RecordedSlot(
            row["revision"], SlotResult(row["slot"], OUTCOMES[row["outcome"]], reason_of(row["reason"]), row["message"])
        )
        for row in rows
    ]
    progress, events = fold(Progress(CheckState(start), start - timedelta(milliseconds=1)), recorded, course)
    return progress.state, events


def _told(events: Sequence[Event]) -> list[tuple[Status, Status, datetime, datetime]]:
    return [(e.from_status, e.to_status, e.at, e.slot) for e in events if isinstance(e, StatusChanged)]


def _outages(events: Sequence[Event]) -> list[tuple[datetime, datetime, datetime | None]]:
    outages: list[tuple[datetime, datetime, datetime | None]] = []
    for event in events:
        if isinstance(event, IncidentOpened):
            outages.append((event.at, event.slot, None))
        elif isinstance(event, IncidentResolved):
            outages[-1] = (*outages[-1][:2], max(event.at, outages[-1][0]))
    return outages
