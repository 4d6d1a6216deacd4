"""What a check went through: its uptime, its latency, its results, and series of them for charts.

Every function runs in the caller's `organization_transaction`. Windows are `[since, until)`; what lies after now is
cut off. Percentiles are of every probe that ran, whatever it saw; missed and unknown slots have no latency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.database import Connection
from tocsin.domain.observations import Outcome, Phases, Reason
from tocsin.domain.uptime import OutcomeCounts, StatusTimes

MAXIMUM_BUCKETS: Final = 200


@dataclass(frozen=True, slots=True)
class Uptime:
    """One window in both figures: `times.uptime` is weighted by time, `counts.uptime` by slots."""

    times: StatusTimes
    counts: OutcomeCounts


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of `count` probes; None when there are none."""

    count: int
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


async def uptime(connection: Connection, check_id: int, since: datetime, until: datetime) -> Uptime:
    """The uptime of one check."""
    return (await uptimes(connection, [check_id], since, until))[check_id]


async def uptimes(
    connection: Connection, check_ids: Sequence[int], since: datetime, until: datetime
) -> dict[int, Uptime]:
    """The uptime of each check, also of those that no row tells about."""
    raise NotImplementedError


async def latency(connection: Connection, check_id: int, since: datetime, until: datetime) -> Latency:
    """The latency of one check."""
    return (await latencies(connection, [check_id], since, until))[check_id]


async def latencies(
    connection: Connection, check_ids: Sequence[int], since: datetime, until: datetime
) -> dict[int, Latency]:
    """The latency of each check, also of those that no row tells about."""
    raise NotImplementedError


async def results_page(
    connection: Connection,
    check_id: int,
    first: int,
    after: ResultKey | None = None,
    between: tuple[datetime, datetime] | None = None,
) -> ResultsPage:
    """At most `first` results, the newest first, that come after `after` and whose slots lie in `[start, end)`."""
    raise NotImplementedError


async def series(
    connection: Connection, check_id: int, since: datetime, until: datetime, buckets: int
) -> list[SeriesBucket]:
    """Cut the window into equal buckets, the oldest first, also the empty ones.

    Raises ValueError unless there are 1 to MAXIMUM_BUCKETS buckets of at least a millisecond.
    """
    raise NotImplementedError
