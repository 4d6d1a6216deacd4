"""Checks as clients see them."""

from datetime import datetime, timedelta
from typing import Annotated

import asyncpg
import orjson
import strawberry

from graphql_api.checks.heartbeats import Heartbeat
from graphql_api.checks.history import Latency, SeriesBucket, TimeRange, Uptime, Window
from graphql_api.checks.results import CheckResult, LastResult
from graphql_api.checks.targets import Target, shown_target
from graphql_api.context import Info
from graphql_api.enums import CheckKind, Status
from graphql_api.fields import described
from graphql_api.ids import Node, global_id
from graphql_api.incidents.types import Incident
from graphql_api.locations.types import CheckLocation
from graphql_api.pagination import (
    DEFAULT_PAGE_SIZE,
    After,
    Connection,
    First,
    connect,
    foreign_cursor,
    invalid_argument,
    page_of,
)
from graphql_api.sites.types import Site
from tocsin.domain.schedule import EPOCH
from tocsin.domain.targets.heartbeat import HeartbeatTarget
from tocsin.services import history

_MICROSECOND = timedelta(microseconds=1)
_DEFAULT_BUCKETS = 48


@strawberry.type(description="When a check is due, as a cron expression.")
class Schedule:
    """The columns `cron` and `time_zone`."""

    cron: str = strawberry.field(description="Minute, hour, day of month, month, day of week.")
    time_zone: str = strawberry.field(description="Zone of the IANA database whose clocks it follows.")


@strawberry.type(description="Attempts that follow a failing one within the same run.")
class Retries:
    """The columns `retry_*`."""

    attempts: int = strawberry.field(description="How many more there are at most.")
    delay_seconds: float = strawberry.field(description="How long to wait before the first.")
    backoff: float = strawberry.field(description="How many times longer to wait before each next one.")


@strawberry.type(description="A name with a value, by which checks are found.")
class Label:
    """One entry of the column `labels`."""

    name: str = strawberry.field(description="Name, unique in the check.")
    value: str = strawberry.field(description="Value; may be empty.")


@strawberry.type(description="A HealthCheck of a Kubernetes cluster.")
class KubernetesObject:
    """A row of `kubernetes_objects`."""

    cluster: str = strawberry.field(description="Name of the cluster, as its operator was given it.")
    namespace: str = strawberry.field(description="Namespace of the object.")
    name: str = strawberry.field(description="Name of the object.")


@strawberry.type(description="Something that is probed on a schedule.")
class Check(Node):
    """A row of `checks`, with its state, its site and its open incident."""

    row: strawberry.Private[asyncpg.Record]
    key: strawberry.Private[int]
    name: str = strawberry.field(description="Name, for people.")
    description: str = strawberry.field(description="What it is for; may be empty.")
    kind: CheckKind = strawberry.field(description="What kind of target is probed.")
    status: Status = strawberry.field(description="What the target is known to be.")
    status_since: datetime = strawberry.field(description="When this status began.")
    interval_seconds: int | None = strawberry.field(description="How often it is due; null when `schedule` says so.")
    timeout_seconds: float = strawberry.field(description="How long one probe may take.")
    failure_threshold: int = strawberry.field(
        description="How many slots must fail for DOWN: in a row, or in `failureWindow`."
    )
    success_threshold: int = strawberry.field(description="How many slots must succeed in a row for the way back.")
    failure_window: int | None = strawberry.field(
        description="Among how many of the last slots the failing ones may lie; null for in a row."
    )
    quorum: str = strawberry.field(
        description="How many of its locations must be DOWN: ANY, MAJORITY, ALL that have decided, or a number."
    )
    paused: bool = strawberry.field(description="Whether nothing is due at present.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted; only old incidents lead to it.")
    certificate_expires_at: datetime | None = strawberry.field(
        description="When the first certificate of the target's chain expires, as last seen."
    )

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "Check":
        """A row of `services.checks.find_checks`."""
        return cls(
            row=row,
            id=global_id("check", row["id"]),
            key=row["id"],
            name=row["name"],
            description=row["description"],
            kind=CheckKind(row["kind"]),
            status=Status(row["status"]),
            status_since=row["since"],
            interval_seconds=row["interval_seconds"],
            timeout_seconds=row["timeout_ms"] / 1000,
            failure_threshold=row["failure_threshold"],
            success_threshold=row["success_threshold"],
            failure_window=row["failure_window"],
            quorum=row["quorum"],
            paused=row["paused"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            deleted_at=row["deleted_at"],
            certificate_expires_at=row["certificate_expires_at"],
        )

    @described("What is probed.")
    def target(self, info: Info) -> Target:
        return shown_target(self.row["kind"], orjson.loads(self.row["target"]), info.context.principal)

    @described("When it is due; null when `intervalSeconds` says so.")
    def schedule(self) -> Schedule | None:
        cron = self.row["cron"]
        return None if cron is None else Schedule(cron=cron, time_zone=self.row["time_zone"])

    @described("How a run goes on when it fails; null when it does not.")
    def retries(self) -> Retries | None:
        row = self.row
        if row["retry_attempts"] == 0:
            return None
        return Retries(
            attempts=row["retry_attempts"], delay_seconds=row["retry_delay_ms"] / 1000, backoff=row["retry_backoff"]
        )

    @described("Labels, by name; at most 50.")
    def labels(self) -> list[Label]:
        labels = orjson.loads(self.row["labels"])
        return [Label(name=name, value=labels[name]) for name in sorted(labels)]

    @described("The site that it belongs to.")
    def site(self) -> Site:
        return Site.from_row(self.row, "site_")

    @described("The object that owns it, and where alone it can be changed; null when it is changed here.")
    def managed_by(self) -> KubernetesObject | None:
        row = self.row
        if row["owner_name"] is None:
            return None
        return KubernetesObject(cluster=row["owner_cluster"], namespace=row["owner_namespace"], name=row["owner_name"])

    @described("The incident that is not resolved yet.")
    def open_incident(self) -> Incident | None:
        return None if self.row["incident_id"] is None else Incident.from_row(self.row, "incident_")

    @described("How the last slot ended that counts for the status; null before the first.")
    def last_result(self) -> LastResult | None:
        return None if self.row["last_slot"] is None else LastResult.from_row(self.row)

    @described("Where it reports in, and what it said; null for other kinds.")
    async def heartbeat(self, info: Info) -> Heartbeat | None:
        shown = await info.context.heartbeats.load(self.key) if self.kind.value == HeartbeatTarget.kind else None
        return None if shown is None else Heartbeat.of(self.key, shown)

    @described("Where it is probed, in the order given, and what each location shows.")
    async def locations(self, info: Info) -> list[CheckLocation]:
        return await info.context.check_locations.load(self.key)

    @described("How slots ended, the newest first.")
    async def results(
        self,
        info: Info,
        first: First = DEFAULT_PAGE_SIZE,
        after: After = None,
        between: Annotated[TimeRange | None, strawberry.argument(description="Only slots of this period.")] = None,
    ) -> Connection[CheckResult]:
        page = page_of("result", first, after, width=2)
        key = None if page.after is None else _result_key(page.after)
        period = None if between is None else _period(between)
        async with info.context.reading() as connection:
            found = await history.results_page(connection, self.key, page.first, key, period)
        return connect("result", page, found.results, CheckResult.from_result, _place, more=found.has_more)

    @described("How much of a period the target was up.")
    async def uptime(
        self,
        info: Info,
        window: Annotated[Window, strawberry.argument(description="The period, which ends now.")] = Window.DAY,
    ) -> Uptime:
        until = await info.context.now()
        since = until - window.value
        return Uptime.of(await info.context.uptimes(since, until).load(self.key), since, until)

    @described("How long probes took in a period.")
    async def latency(
        self,
        info: Info,
        window: Annotated[Window, strawberry.argument(description="The period, which ends now.")] = Window.DAY,
    ) -> Latency:
        until = await info.context.now()
        return Latency.of(await info.context.latencies(until - window.value, until).load(self.key))

    @described("A period in equal parts, the oldest first, for charts.")
    async def series(
        self,
        info: Info,
        window: Annotated[Window, strawberry.argument(description="The period, which ends now.")] = Window.DAY,
        buckets: Annotated[
            int, strawberry.argument(description=f"How many parts: 1 to {history.MAXIMUM_BUCKETS}.")
        ] = _DEFAULT_BUCKETS,
    ) -> list[SeriesBucket]:
        if not 1 <= buckets <= history.MAXIMUM_BUCKETS:
            raise invalid_argument("buckets", f"must be from 1 to {history.MAXIMUM_BUCKETS}")
        until = await info.context.now()
        async with info.context.reading() as connection:
            found = await history.series(connection, self.key, until - window.value, until, buckets)
        return [SeriesBucket.of(bucket) for bucket in found]


def _place(result: history.Result) -> tuple[int, int]:
    return (result.key.slot - EPOCH) // _MICROSECOND, result.key.location_id


def _result_key(place: tuple[int, ...]) -> history.ResultKey:
    microseconds, location_id = place
    if not 0 < location_id < 2**15:
        raise foreign_cursor()
    try:
        return history.ResultKey(EPOCH + microseconds * _MICROSECOND, location_id)
    except OverflowError:
        raise foreign_cursor() from None


def _period(between: TimeRange) -> tuple[datetime, datetime]:
    for name, instant in (("since", between.since), ("until", between.until)):
        if instant.tzinfo is None:
            raise invalid_argument(f"between.{name}", "must say its offset from UTC, as in 2026-01-31T12:00:00Z")
    if between.since >= between.until:
        raise invalid_argument("between.until", "must lie after since")
    return between.since, between.until
