"""Heartbeats in the database: whose key it is, what has reported in, and until when reports could come in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from tocsin.database import Connection
from tocsin.domain.errors import ConflictError, NotFoundError
from tocsin.domain.heartbeats import Heartbeat, OpenRun, Reception, Report, ReportKind, ReportSource
from tocsin.services.scope import Scope, in_organization

# How many reports are kept of a check.
KEPT_REPORTS: Final = 100
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report as it is kept; `run_time` is that of the run that it ended."""

    number: int
    report: Report
    source: ReportSource
    run_time: timedelta | None


async def keep_heartbeat(scope: Scope, check_id: int) -> None:
    """Let something report in for a check, with a key of its own; one that has a key keeps it."""
    await scope.connection.execute(
        "INSERT INTO heartbeats (check_id, organization_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        check_id,
        scope.organization_id,
    )


_RENEW: Final = """
UPDATE heartbeats h SET key = gen_random_uuid() FROM checks c
WHERE h.check_id = $1 AND c.id = h.check_id AND c.kind = 'heartbeat' AND c.deleted_at IS NULL RETURNING h.check_id
"""
_KIND: Final = "SELECT kind FROM checks WHERE id = $1 AND deleted_at IS NULL"


@in_organization
async def renew_key(scope: Scope, check_id: int) -> None:
    """Give a check another key; the one that it had is nobody's from now on.

    Raises NotFoundError, or ConflictError for a check of another kind.
    """
    if await scope.connection.fetchval(_RENEW, check_id) is not None:
        return
    kind = await scope.connection.fetchval(_KIND, check_id)
    if kind is None:
        raise NotFoundError("check")
    raise ConflictError(f"The check is no heartbeat but of the kind {kind}, which has no key.")


_SHOWN: Final = """
SELECT check_id, key, reports, kind, received_at, exit_code, run_time_ms, size, payload, open_runs
FROM heartbeats WHERE check_id = ANY($1::bigint[])
"""


@dataclass(frozen=True, slots=True)
class ShownHeartbeat:
    """What is known of a check, for who may see it."""

    key: UUID
    reports: int
    heartbeat: Heartbeat


async def shown_heartbeats(connection: Connection, check_ids: Collection[int]) -> dict[int, ShownHeartbeat]:
    """What is known of these checks, with their keys; nothing of those that nobody reports for."""
    rows = await connection.fetch(_SHOWN, list(check_ids))
    return {row["check_id"]: ShownHeartbeat(row["key"], row["reports"], heartbeat_of(row)) for row in rows}


_REPORTS: Final = """
SELECT number, kind, received_at, source, run_id, exit_code, run_time_ms, size, payload
FROM heartbeat_reports WHERE check_id = $1 ORDER BY number DESC LIMIT $2
"""


async def newest_reports(connection: Connection, check_id: int, most: int) -> list[StoredReport]:
    """What reported in for a check, the newest first; no more than a hundred are kept."""
    return [_stored_report(row) for row in await connection.fetch(_REPORTS, check_id, most)]


def _stored_report(row: asyncpg.Record) -> StoredReport:
    report = Report(
        ReportKind(row["kind"]), row["received_at"], row["run_id"], row["exit_code"], row["payload"], row["size"]
    )
    return StoredReport(row["number"], report, ReportSource(row["source"]), _milliseconds(row["run_time_ms"]))


_JUDGED: Final = """
SELECT check_id, kind, received_at, exit_code, run_time_ms, size, open_runs,
       CASE WHEN kind = 'FAILURE' OR check_id = ANY($2::bigint[]) THEN payload END AS payload
FROM heartbeats WHERE check_id = ANY($1::bigint[])
"""


async def load_heartbeats(
    connection: Connection, check_ids: Collection[int], with_payload: Collection[int]
) -> dict[int, Heartbeat]:
    """What is known of these checks; payloads of successes only for those that are named twice."""
    rows = await connection.fetch(_JUDGED, list(check_ids), list(with_payload))
    return {row["check_id"]: heartbeat_of(row) for row in rows}


async def load_reception(connection: Connection) -> Reception | None:
    """Until when reports could come in; None where nothing ever received any."""
    row = await connection.fetchrow("SELECT through_at, interrupted_at, resumed_at FROM heartbeat_reception")
    return None if row is None else Reception(*row)


def heartbeat_of(row: asyncpg.Record) -> Heartbeat:
    """A row of `heartbeats`, or of what is known of one."""
    return Heartbeat(_last_report(row), _milliseconds(row["run_time_ms"]), open_runs_of(row["open_runs"]))


def _last_report(row: asyncpg.Record) -> Report | None:
    if row["kind"] is None:
        return None
    kind = ReportKind(row["kind"])
    return Report(
        kind, row["received_at"], exit_code=row["exit_code"], payload=row["payload"] or "", size=row["size"] or 0
    )


def _milliseconds(value: int | None) -> timedelta | None:
    return None if value is None else value * _MILLISECOND


def open_runs_of(text: str) -> tuple[OpenRun, ...]:
    """The column `open_runs`."""
    return tuple(
        OpenRun(None if run_id is None else UUID(run_id), datetime.fromisoformat(started_at))
        for run_id, started_at in orjson.loads(text)
    )
