"""What reports in, as clients see it."""

from datetime import datetime, timedelta

import strawberry

from graphql_api.context import Info
from graphql_api.enums import ReportKind, ReportSource
from graphql_api.fields import described
from graphql_api.pagination import DEFAULT_PAGE_SIZE, First, page_of
from tocsin.domain.heartbeats import MAXIMUM_PAYLOAD_BYTES, Report
from tocsin.models import TokenPermission
from tocsin.services.heartbeats import KEPT_REPORTS, ShownHeartbeat, StoredReport, newest_reports

_PAYLOAD = f"The first {MAXIMUM_PAYLOAD_BYTES} bytes of what came with it, as text; empty without any."
_FOR_WRITERS = "null for tokens that may only read"


@strawberry.type(description="One message of what reports in.")
class HeartbeatReport:
    """A row of `heartbeat_reports`."""

    kind: ReportKind = strawberry.field(description="What it says.")
    received_at: datetime = strawberry.field(description="When it came in.")
    source: ReportSource = strawberry.field(description="How it came.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that it is about, if it named one.")
    exit_code: int | None = strawberry.field(description="Exit code of the job, if it told one.")
    run_seconds: float | None = strawberry.field(description="How long the run took that it ended, if it had a start.")
    payload: str = strawberry.field(description=_PAYLOAD)
    payload_bytes: int = strawberry.field(description="How many bytes came with it.")

    @classmethod
    def of(cls, stored: StoredReport) -> "HeartbeatReport":
        report = stored.report
        return cls(
            kind=report.kind,
            received_at=report.received_at,
            source=stored.source,
            run_id=None if report.run_id is None else strawberry.ID(str(report.run_id)),
            exit_code=report.exit_code,
            run_seconds=_seconds(stored.run_time),
            payload=report.payload,
            payload_bytes=report.size,
        )


@strawberry.type(description="The report that decides: the last one of a success or a failure.")
class LastReport:
    """A row of `heartbeats`."""

    kind: ReportKind = strawberry.field(description="SUCCESS or FAILURE.")
    received_at: datetime = strawberry.field(description="When it came in.")
    exit_code: int | None = strawberry.field(description="Exit code of the job, if it told one.")
    run_seconds: float | None = strawberry.field(description="How long the run took that it ended, if it had a start.")
    payload: str = strawberry.field(description=_PAYLOAD)
    payload_bytes: int = strawberry.field(description="How many bytes came with it.")

    @classmethod
    def of(cls, report: Report, run_time: timedelta | None) -> "LastReport":
        return cls(
            kind=report.kind,
            received_at=report.received_at,
            exit_code=report.exit_code,
            run_seconds=_seconds(run_time),
            payload=report.payload,
            payload_bytes=report.size,
        )


@strawberry.type(description="Where something reports in, and what it said.")
class Heartbeat:
    """A row of `heartbeats`, and its reports."""

    shown: strawberry.Private[ShownHeartbeat]
    check_key: strawberry.Private[int]
    report_count: int = strawberry.field(description="How many reports ever came in.")
    running_since: list[datetime] = strawberry.field(description="When the runs began that have not ended.")
    last_report: LastReport | None = strawberry.field(description="The report that decides; null before the first.")

    @classmethod
    def of(cls, check_key: int, shown: ShownHeartbeat) -> "Heartbeat":
        known = shown.heartbeat
        return cls(
            shown=shown,
            check_key=check_key,
            report_count=shown.reports,
            running_since=[run.started_at for run in known.open_runs],
            last_report=None if known.last is None else LastReport.of(known.last, known.run_time),
        )

    @described(f"The key that lets report in, which nobody can guess; {_FOR_WRITERS}.")
    def key(self, info: Info) -> str | None:
        return str(self.shown.key) if _may_write(info) else None

    @described(
        "Where to report a success; /start, /fail, /log or an exit code after it report that, and ?rid=UUID tells "
        f"overlapping runs apart; {_FOR_WRITERS}."
    )
    def ping_url(self, info: Info) -> str | None:
        return f"{info.context.receiver_url}/{self.shown.key}" if _may_write(info) else None

    @described(f"What came in, the newest first; the last {KEPT_REPORTS} reports are kept.")
    async def reports(self, info: Info, first: First = DEFAULT_PAGE_SIZE) -> list[HeartbeatReport]:
        page = page_of("heartbeat-report", first, None)
        async with info.context.reading() as connection:
            found = await newest_reports(connection, self.check_key, page.first)
        return [HeartbeatReport.of(stored) for stored in found]


def _may_write(info: Info) -> bool:
    return info.context.principal.permission is not TokenPermission.READ_ONLY


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
