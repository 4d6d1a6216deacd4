"""What a check went through: its uptime, its latency, its results, and series of them for charts.

Every function runs in the caller's `organization_transaction`. Windows are `[since, until)`; what lies after now is
cut off. Latencies are of every probe that ran, whatever it saw; missed and unknown slots have none. Whole hours are
read from their rollups, the rest of a window from the results themselves, as long as these are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import asyncpg

from tocsin.database import Connection
from tocsin.domain.latency import MICROSECOND, percentile, unpack
from tocsin.domain.observations import Outcome, Phases, Reason
from tocsin.domain.schedule import END_OF_TIME, EPOCH, MILLISECOND
from tocsin.domain.status import Status
from tocsin.domain.uptime import OutcomeCounts, StatusTimes, times_of
from tocsin.models.codes import OUTCOMES, reason_of
from tocsin.services.rollups import COUNTERS, HOUR, hour_of
from tocsin.services.transitions import CHECK_ITSELF
from tocsin.services.windows import Window, counts_by_check, read_window, sums_by_check, sums_by_part

MAXIMUM_BUCKETS: Final = 200
_PHASES: Final = tuple(field.name for field in fields(Phases))


@dataclass(frozen=True, slots=True)
class Uptime:
    """One window in both figures: `times.uptime` is weighted by time, `counts.uptime` by slots."""

    times: StatusTimes
    counts: OutcomeCounts


@dataclass(frozen=True, slots=True)
class Latency:
    """How long `count` probes took; None when there are none. Percentiles are estimates: tocsin.domain.latency."""

    count: int
    mean: timedelta | None
    p50: timedelta | None
    p95: timedelta | None
    p99: timedelta | None


@dataclass(frozen=True, slots=True)
class ResultKey:
    """Where in a check's results a page ended."""

    slot: datetime
    location_id: int


@dataclass(frozen=True, slots=True)
class Result:
    """How one slot ended at one location."""

    check_id: int
    key: ResultKey
    location: str
    revision: int
    started_at: datetime
    duration: timedelta
    outcome: Outcome
    reason: Reason | None
    message: str | None
    status_code: int | None
    phases: Phases
    address: str | None
    certificate_expires_at: datetime | None
    attempts: int
    tls_verified: bool | None
    evidence: str | None  # JSON


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """Results, the newest first, and whether older ones follow."""

    results: list[Result]
    has_more: bool


@dataclass(frozen=True, slots=True)
class SeriesBucket:
    """One column of a chart: the slots in `[start, end)`."""

    start: datetime
    end: datetime
    counts: OutcomeCounts
    latency: Latency


# A window's length for each status, from the last change before it on.
_TIMES = """
SELECT check_id, to_status, sum(until_at - at) AS shown
FROM unnest($1::bigint[]) AS wanted (check_id) CROSS JOIN LATERAL (
    SELECT to_status, greatest(at, $2) AS at, lead(at, 1, $3) OVER (ORDER BY at, id) AS until_at
    FROM (
        (SELECT id, at, to_status FROM status_changes c
         WHERE c.check_id = wanted.check_id AND location_id = $4 AND at <= $2 ORDER BY at DESC, id DESC LIMIT 1)
        UNION ALL
        SELECT id, at, to_status FROM status_changes c
        WHERE c.check_id = wanted.check_id AND location_id = $4 AND at > $2 AND at < $3
    ) AS changes
) AS spans
GROUP BY check_id, to_status
"""
_PAGE = """
SELECT *, host(address) AS host, (SELECT name FROM locations WHERE id = location_id) AS location
FROM results
WHERE check_id = $1 AND slot >= $2 AND slot < $3 AND slot <= $4 AND (slot, location_id) < ($4, $5)
ORDER BY slot DESC, location_id DESC LIMIT $6
"""


async def uptime(connection: Connection, check_id: int, since: datetime, until: datetime) -> Uptime:
    """The uptime of one check."""
    return (await uptimes(connection, [check_id], since, until))[check_id]


async def uptimes(
    connection: Connection, check_ids: Sequence[int], since: datetime, until: datetime
) -> dict[int, Uptime]:
    """The uptime of each check, also of those that no row tells about."""
    window = await read_window(connection, since, until)
    times = await _status_times(connection, check_ids, window)
    counts = await counts_by_check(connection, check_ids, window)
    return {check_id: Uptime(times[check_id], _counts(counts.get(check_id))) for check_id in check_ids}


async def latency(connection: Connection, check_id: int, since: datetime, until: datetime) -> Latency:
    """The latency of one check."""
    return (await latencies(connection, [check_id], since, until))[check_id]


async def latencies(
    connection: Connection, check_ids: Sequence[int], since: datetime, until: datetime
) -> dict[int, Latency]:
    """The latency of each check, also of those that no row tells about."""
    window = await read_window(connection, since, until)
    sums = await sums_by_check(connection, check_ids, window)
    return {check_id: _latency(sums.get(check_id)) for check_id in check_ids}


async def results_page(
    connection: Connection,
    check_id: int,
    first: int,
    after: ResultKey | None = None,
    between: tuple[datetime, datetime] | None = None,
) -> ResultsPage:
    """At most `first` results, the newest first, that come after `after` and whose slots lie in `[start, end)`."""
    start, end = between or (EPOCH, END_OF_TIME)
    key = after or ResultKey(END_OF_TIME, 0)
    rows = await connection.fetch(_PAGE, check_id, start, end, key.slot, key.location_id, first + 1)
    return ResultsPage([_result(row) for row in rows[:first]], has_more=len(rows) > first)


async def series(
    connection: Connection, check_id: int, since: datetime, until: datetime, buckets: int
) -> list[SeriesBucket]:
    """Cut the window into equal buckets, the oldest first, also the empty ones.

    Where they last an hour or more, all but the first start on the full hour, so that rollups tell them.
    Raises ValueError unless there are 1 to MAXIMUM_BUCKETS buckets of at least a millisecond.
    """
    width = (until - since) / buckets if 1 <= buckets <= MAXIMUM_BUCKETS else timedelta()
    if width < MILLISECOND:
        raise ValueError(f"buckets must be 1 to {MAXIMUM_BUCKETS} of at least a millisecond")
    window = await read_window(connection, since, until)
    starts = [since + width * number for number in range(buckets)]
    if width >= HOUR:
        starts[1:] = map(hour_of, starts[1:])
    else:
        window = window.without_rollups()
    sums = await sums_by_part(connection, check_id, window, starts)
    spans = pairwise([*starts, until])
    return [SeriesBucket(*span, _counts(sums.get(n)), _latency(sums.get(n))) for n, span in enumerate(spans)]


async def _status_times(connection: Connection, check_ids: Sequence[int], window: Window) -> dict[int, StatusTimes]:
    shown: dict[int, dict[Status, timedelta]] = {check_id: {} for check_id in check_ids}
    for row in await connection.fetch(_TIMES, list(shown), window.since, window.until, CHECK_ITSELF):
        shown[row["check_id"]][Status(row["to_status"])] = row["shown"]
    return {check_id: times_of(times, window.until - window.since) for check_id, times in shown.items()}


def _counts(sums: asyncpg.Record | None) -> OutcomeCounts:
    return OutcomeCounts() if sums is None else OutcomeCounts(**{column: sums[column] for column in COUNTERS})


def _latency(sums: asyncpg.Record | None) -> Latency:
    histogram = [] if sums is None else unpack(sums["histogram"])
    count = sum(histogram)
    if sums is None or count == 0:
        return Latency(0, None, None, None, None)
    mean = sums["duration_sum_us"] / count * MICROSECOND
    return Latency(count, mean, *(percentile(histogram, percent) for percent in (50, 95, 99)))


def _result(row: asyncpg.Record) -> Result:
    return Result(
        check_id=row["check_id"],
        key=ResultKey(row["slot"], row["location_id"]),
        location=row["location"],
        revision=row["revision"],
        started_at=row["started_at"],
        duration=row["duration_us"] * MICROSECOND,
        outcome=OUTCOMES[row["outcome"]],
        reason=reason_of(row["reason"]),
        message=row["message"],
        status_code=row["status_code"],
        phases=Phases(*(_microseconds(row[f"{name}_us"]) for name in _PHASES)),
        address=row["host"],
        certificate_expires_at=row["certificate_expires_at"],
        attempts=row["attempts"] or 1,
        tls_verified=row["tls_verified"],
        evidence=row["evidence"],
    )


def _microseconds(number: int | None) -> timedelta | None:
    return None if number is None else number * MICROSECOND
