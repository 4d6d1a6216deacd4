"""What has reported in, and whether that is in time: two pure functions, `received` and `judged`.

What is known of a check is a fold over its reports in the order in which they came. A run that was started is open
until a report with its id ends it; a report without an id ends every open run, for who gives none tells none apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from tocsin.domain.cron import Cron, cron_instants
from tocsin.domain.observations import Reason

# Further apart, a start and an end belong to different runs.
LONGEST_RUN: Final = timedelta(hours=72)
MAXIMUM_OPEN_RUNS: Final = 100
MAXIMUM_PAYLOAD_BYTES: Final = 10_000
# Receivers show every second that reports can come in; when none has for so long, they cannot.
SHORTEST_INTERRUPTION: Final = timedelta(seconds=3)
# A clock that is ahead lets a job run before its time: so much earlier, its report still counts for the instant.
EARLIEST: Final = timedelta(seconds=30)


class ReportKind(StrEnum):
    """What a report says. A log says nothing of success or failure."""

    START = "START"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    LOG = "LOG"


class ReportSource(StrEnum):
    """How a report came."""

    HTTP = "HTTP"
    MQTT = "MQTT"


@dataclass(frozen=True, slots=True)
class Report:
    """One message. `run_id` tells overlapping runs apart; `size` is of the whole payload, of which a part is kept."""

    kind: ReportKind
    received_at: datetime
    run_id: UUID | None = None
    exit_code: int | None = None
    payload: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that started and has not ended."""

    run_id: UUID | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What is known of one check: the report that ended a run last, how long that run took, and the open runs."""

    last: Report | None = None
    run_time: timedelta | None = None
    open_runs: tuple[OpenRun, ...] = ()


def received(heartbeat: Heartbeat, report: Report) -> Heartbeat:
    """What is known after a report."""
    match report.kind:
        case ReportKind.LOG:
            return heartbeat
        case ReportKind.START:
            others = [run for run in heartbeat.open_runs if run.run_id != report.run_id]
            runs = (*others, OpenRun(report.run_id, report.received_at))[-MAXIMUM_OPEN_RUNS:]
            return replace(heartbeat, open_runs=runs)
    still_open = _still_open(heartbeat, report)
    if heartbeat.last is not None and report.received_at < heartbeat.last.received_at:
        # It waited elsewhere while the database was away.
        return replace(heartbeat, open_runs=still_open)
    return Heartbeat(report, run_time(heartbeat, report), still_open)


def run_time(heartbeat: Heartbeat, report: Report) -> timedelta | None:
    """How long the run took that this report ends; None when its start is not known."""
    started = [run.started_at for run in heartbeat.open_runs if run.run_id == report.run_id]
    took = report.received_at - started[0] if started else LONGEST_RUN
    return max(took, timedelta(0)) if took < LONGEST_RUN else None


def _still_open(heartbeat: Heartbeat, report: Report) -> tuple[OpenRun, ...]:
    return () if report.run_id is None else tuple(r for r in heartbeat.open_runs if r.run_id != report.run_id)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When reports are due: so long after one another, or at the instants of a cron expression."""

    due: timedelta | Cron
    grace: timedelta

    def deadline_after(self, instant: datetime) -> datetime:
        """Until when the report must have come that follows the one of this instant."""
        if isinstance(self.due, timedelta):
            return instant + self.due + self.grace
        due = next(cron_instants(self.due, instant + EARLIEST), None)
        return datetime.max.replace(tzinfo=UTC) if due is None else due + self.grace


@dataclass(frozen=True, slots=True)
class Reception:
    """Whether reports could come in: until `through` they did, but for a time that ended at `resumed_at`."""

    through: datetime
    interrupted_at: datetime | None = None
    resumed_at: datetime | None = None

    def known_at(self, now: datetime) -> datetime:
        """Up to which instant it is known what has come in, when no interruption lasts."""
        return min(self.through, now) if now - self.through <= SHORTEST_INTERRUPTION else now

    def interruptions(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """From when until when nothing could come in: one that is over, and one that lasts."""
        if self.interrupted_at is not None and self.resumed_at is not None:
            yield self.interrupted_at, self.resumed_at
        if now - self.through > SHORTEST_INTERRUPTION:
            yield self.through, now


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a heartbeat is not as it should be, for a person on call."""

    reason: Reason
    message: str


def judged(heartbeat: Heartbeat, rhythm: Rhythm, reception: Reception | None, now: datetime) -> Verdict | None:
    """None if it reported in time. Nothing is late that could not come in; without a reception, nothing ever could."""
    if reception is None:
        return Verdict(Reason.HEARTBEAT_AWAITED, "nothing has reported in yet: no receiver has run so far")
    if heartbeat.last is not None and heartbeat.last.kind is ReportKind.FAILURE:
        return Verdict(Reason.HEARTBEAT_FAILED, _failure(heartbeat.last, now))
    interruptions, known_at = tuple(reception.interruptions(now)), reception.known_at(now)
    if run := _overdue_run(heartbeat, rhythm, interruptions, known_at):
        message = f"started {_ago(run.started_at, now)} and has not ended, due within {_span(rhythm.grace)}"
        return Verdict(Reason.HEARTBEAT_OVERDUE, message)
    if heartbeat.last is None:
        return Verdict(Reason.HEARTBEAT_AWAITED, "nothing has reported in yet")
    if known_at <= rhythm.deadline_after(heartbeat.last.received_at):
        return None
    return _judged_late(heartbeat.last.received_at, rhythm, interruptions, now)


Interruptions = Sequence[tuple[datetime, datetime]]


def _overdue_run(heartbeat: Heartbeat, rhythm: Rhythm, interruptions: Interruptions, now: datetime) -> OpenRun | None:
    """The oldest run that takes too long. One that is never heard of again is forgotten once a later report came."""
    for run in heartbeat.open_runs:
        deadline = run.started_at + rhythm.grace
        is_past = heartbeat.last is not None and heartbeat.last.received_at > deadline
        if deadline < now and not is_past and not _between(interruptions, run.started_at, deadline):
            return run
    return None


def _between(interruptions: Interruptions, start: datetime, end: datetime) -> bool:
    return any(began < end and ended > start for began, ended in interruptions)


def _judged_late(last_at: datetime, rhythm: Rhythm, interruptions: Interruptions, now: datetime) -> Verdict:
    since = last_at
    for began, ended in interruptions:
        # A report may have been lost in it, so the next one is waited for from its end.
        if began < rhythm.deadline_after(since) and ended > since:
            since = ended
    if now <= rhythm.deadline_after(since):
        message = f"last reported {_ago(last_at, now)}, but reports could not come in until {_ago(since, now)}"
        return Verdict(Reason.HEARTBEAT_AWAITED, message)
    message = f"last reported {_ago(last_at, now)}, {_due(rhythm, since)} + {_span(rhythm.grace)} grace"
    return Verdict(Reason.HEARTBEAT_OVERDUE, message)


def _failure(report: Report, now: datetime) -> str:
    code = "" if report.exit_code is None else f" with exit code {report.exit_code}"
    return f"reported a failure{code} {_ago(report.received_at, now)}"


def _due(rhythm: Rhythm, since: datetime) -> str:
    """What followed a report of this instant, when its deadline is past."""
    if isinstance(rhythm.due, timedelta):
        return f"due every {_span(rhythm.due)}"
    zone = rhythm.due.time_zone
    due = (rhythm.deadline_after(since) - rhythm.grace).astimezone(ZoneInfo(zone))
    return f"was due at {due:%Y-%m-%d %H:%M} ({zone})"


_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def _span(span: timedelta) -> str:
    """Exact, as 90 s or 2 h."""
    seconds = int(span.total_seconds())
    unit, name = next((unit, name) for unit, name in _UNITS if seconds % unit == 0)
    return f"{seconds // unit} {name}"


def _ago(instant: datetime, now: datetime) -> str:
    """Rounded down, as 14 min ago."""
    seconds = max(int((now - instant).total_seconds()), 0)
    unit, name = next(((unit, name) for unit, name in _UNITS if seconds >= 2 * unit), (1, "s"))
    return f"{seconds // unit} {name} ago"
