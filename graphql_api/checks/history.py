"""What a check went through, as clients see it: uptime, latency, and series for charts."""

from datetime import datetime, timedelta
from enum import Enum

import strawberry

from graphql_api.checks.results import milliseconds
from tocsin.domain.uptime import COUNT_FORMULA, TIME_FORMULA, OutcomeCounts, StatusTimes
from tocsin.services import history


@strawberry.enum(description="A period that ends now.")
class Window(Enum):
    """Each is as long as its value."""

    HOUR = timedelta(hours=1)
    DAY = timedelta(days=1)
    WEEK = timedelta(weeks=1)
    MONTH = timedelta(days=30)
    QUARTER = timedelta(days=90)
    YEAR = timedelta(days=365)


@strawberry.input(description="A period: from `since` until just before `until`.")
class TimeRange:
    """Both ends are given."""

    since: datetime = strawberry.field(description="Its first instant.")
    until: datetime = strawberry.field(description="The first instant after it.")


@strawberry.type(description="How many slots ended in which way.")
class SlotCounts:
    """The fields of OutcomeCounts."""

    successes: int = strawberry.field(description="Slots that succeeded.")
    degraded: int = strawberry.field(description="Slots that succeeded with a flaw.")
    failures: int = strawberry.field(description="Slots that failed.")
    missed: int = strawberry.field(description="Slots that were not probed.")
    unknown: int = strawberry.field(description="Slots whose probe could not judge the target.")

    @classmethod
    def of(cls, counts: OutcomeCounts) -> "SlotCounts":
        return cls(
            successes=counts.successes,
            degraded=counts.degraded,
            failures=counts.failures,
            missed=counts.missed,
            unknown=counts.unknown,
        )


@strawberry.type(description="How long each status was shown; together they are the window.")
class StatusSeconds:
    """The fields of StatusTimes."""

    up_seconds: float = strawberry.field(description="Time in UP.")
    degraded_seconds: float = strawberry.field(description="Time in DEGRADED.")
    down_seconds: float = strawberry.field(description="Time in DOWN.")
    unknown_seconds: float = strawberry.field(description="Time in UNKNOWN.")
    excluded_seconds: float = strawberry.field(description="Time in which nothing was decided, such as PAUSED.")

    @classmethod
    def of(cls, times: StatusTimes) -> "StatusSeconds":
        return cls(
            up_seconds=times.up.total_seconds(),
            degraded_seconds=times.degraded.total_seconds(),
            down_seconds=times.down.total_seconds(),
            unknown_seconds=times.unknown.total_seconds(),
            excluded_seconds=times.excluded.total_seconds(),
        )


@strawberry.type(description="How much of a period the target was up, by time and by slots.")
class Uptime:
    """A share is from 0 to 1, and null where nothing was decided."""

    since: datetime = strawberry.field(description="First instant of the period.")
    until: datetime = strawberry.field(description="First instant after the period.")
    ratio: float | None = strawberry.field(description="Share of the decided time in which the target was up.")
    formula: str = strawberry.field(description="How `ratio` is computed.")
    times: StatusSeconds = strawberry.field(description="The times that it is computed from.")
    slot_ratio: float | None = strawberry.field(description="Share of the decided slots that succeeded.")
    slot_formula: str = strawberry.field(description="How `slotRatio` is computed.")
    slots: SlotCounts = strawberry.field(description="The slots that it is computed from.")

    @classmethod
    def of(cls, uptime: history.Uptime, since: datetime, until: datetime) -> "Uptime":
        return cls(
            since=since,
            until=until,
            ratio=uptime.times.uptime,
            formula=TIME_FORMULA,
            times=StatusSeconds.of(uptime.times),
            slot_ratio=uptime.counts.uptime,
            slot_formula=COUNT_FORMULA,
            slots=SlotCounts.of(uptime.counts),
        )


@strawberry.type(description="How long probes took, whatever they saw; null where none ran.")
class Latency:
    """Percentiles, in milliseconds."""

    count: int = strawberry.field(description="How many probes ran.")
    p50: float | None = strawberry.field(description="Half of the probes took at most so many milliseconds.")
    p95: float | None = strawberry.field(description="95% of the probes took at most so many milliseconds.")
    p99: float | None = strawberry.field(description="99% of the probes took at most so many milliseconds.")

    @classmethod
    def of(cls, latency: history.Latency) -> "Latency":
        return cls(
            count=latency.count,
            p50=milliseconds(latency.p50),
            p95=milliseconds(latency.p95),
            p99=milliseconds(latency.p99),
        )


@strawberry.type(description="One column of a chart: the slots from `start` until just before `end`.")
class SeriesBucket:
    """A part of the window of a series."""

    start: datetime = strawberry.field(description="Its first instant.")
    end: datetime = strawberry.field(description="The first instant after it.")
    slots: SlotCounts = strawberry.field(description="How its slots ended.")
    latency: Latency = strawberry.field(description="How long its probes took.")

    @classmethod
    def of(cls, bucket: history.SeriesBucket) -> "SeriesBucket":
        return cls(
            start=bucket.start,
            end=bucket.end,
            slots=SlotCounts.of(bucket.counts),
            latency=Latency.of(bucket.latency),
        )
