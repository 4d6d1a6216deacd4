"""Heartbeats in the database: whose key it is, what has reported in, and until when reports could come in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from tocsin.database import Connection
from tocsin.domain.heartbeats import Heartbeat, OpenRun, Reception, Report, ReportKind

# How many reports are kept of a check.
KEPT_REPORTS: Final = 100
_MILLISECOND: Final = timedelta(milliseconds=1)


class ReportSource(StrEnum):
    """How a report came."""

    HTTP = "HTTP"
    MQTT = "MQTT"


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report as it is kept; `run_time` is that of the run that it ended."""

    number: int
    report: Report
    source: ReportSource
    run_time: timedelta | None


_JUDGED: Final = """
SELECT check_id, kind, received_at, exit_code, run_time_ms, size, payload, open_runs
FROM heartbeats WHERE check_id = ANY($1::bigint[])
"""


async def load_heartbeats(connection: Connection, check_ids: Collection[int]) -> dict[int, Heartbeat]:
    """What is known of these checks."""
    rows = await connection.fetch(_JUDGED, list(check_ids))
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
