"""Take reports in: find whose they are, fold them into what is known of each check, and keep the newest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import orjson

from tocsin.database import Connection, columns
from tocsin.domain.heartbeats import (
    SHORTEST_INTERRUPTION,
    Heartbeat,
    OpenRun,
    Report,
    ReportKind,
    ReportSource,
    received,
    run_time,
)
from tocsin.services.heartbeats import KEPT_REPORTS, open_runs_of

_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A report for whom a key names, by the SHA-256 of the key."""

    key_hash: bytes
    report: Report
    source: ReportSource


_LOCK: Final = """
SELECT check_id, organization_id, reports, kind, received_at, open_runs
FROM heartbeats WHERE check_id = ANY($1::bigint[]) ORDER BY check_id FOR UPDATE
"""
_KEEP_ENDED: Final = """
UPDATE heartbeats h SET reports = d.reports, open_runs = d.open_runs::jsonb, kind = d.kind, received_at = d.received_at,
    exit_code = d.exit_code, run_time_ms = d.run_time_ms, size = d.size, payload = d.payload
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::smallint[], $7::bigint[],
            $8::int[], $9::text[])
    AS d (check_id, reports, open_runs, kind, received_at, exit_code, run_time_ms, size, payload)
WHERE h.check_id = d.check_id
"""
_KEEP_OPEN: Final = """
UPDATE heartbeats h SET reports = d.reports, open_runs = d.open_runs::jsonb
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS d (check_id, reports, open_runs) WHERE h.check_id = d.check_id
"""
# ON CONFLICT would need the right to read payloads.
_MAKE_ROOM: Final = """
DELETE FROM heartbeat_reports r USING unnest($1::bigint[], $2::smallint[]) AS d (check_id, place)
WHERE r.check_id = d.check_id AND r.place = d.place
"""
_KEEP_REPORTS: Final = """
INSERT INTO heartbeat_reports (check_id, place, organization_id, number, kind, received_at, source, run_id, exit_code,
                               run_time_ms, size, payload)
SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::timestamptz[],
                     $7::text[], $8::uuid[], $9::smallint[], $10::bigint[], $11::int[], $12::text[])
"""


class _Fold:
    """What becomes of one check's row by the reports of one batch."""

    def __init__(self, row: asyncpg.Record) -> None:
        last = None if row["kind"] is None else Report(ReportKind(row["kind"]), row["received_at"])
        self.check_id: int = row["check_id"]
        self.organization_id: int = row["organization_id"]
        self.number: int = row["reports"]
        self.before = Heartbeat(last, None, open_runs_of(row["open_runs"]))
        self.heartbeat = self.before
        self.rows: dict[int, tuple[Any, ...]] = {}

    def add(self, incoming: Incoming) -> None:
        report = incoming.report
        took = run_time(self.heartbeat, report) if report.kind in (ReportKind.SUCCESS, ReportKind.FAILURE) else None
        self.heartbeat = received(self.heartbeat, report)
        self.number += 1
        place = self.number % KEPT_REPORTS
        self.rows[place] = (
            *(self.check_id, place, self.organization_id, self.number),
            *(report.kind, report.received_at, incoming.source, report.run_id, report.exit_code),
            *(_in_milliseconds(took), report.size, report.payload),
        )

    @property
    def ended(self) -> Report | None:
        """The report that ended a run last, if it came with this batch."""
        return None if self.heartbeat.last is self.before.last else self.heartbeat.last

    def open_row(self) -> tuple[Any, ...]:
        return (self.check_id, self.number, _stored_runs(self.heartbeat.open_runs))

    def ended_row(self, last: Report) -> tuple[Any, ...]:
        took = _in_milliseconds(self.heartbeat.run_time)
        end = (last.kind, last.received_at, last.exit_code, took, last.size, last.payload)
        return (*self.open_row(), *end)


async def known_keys(connection: Connection, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """The checks that these keys may report for."""
    rows = await connection.fetch("SELECT key_hash, check_id FROM tocsin_heartbeats_of($1::bytea[])", hashes)
    return {row["key_hash"]: row["check_id"] for row in rows}


async def store_reports(connection: Connection, reports: Sequence[Incoming]) -> set[bytes]:
    """Store the reports in their order, in one transaction; return the hashes of the keys that are known.

    What a key that nobody has reports is dropped.
    """
    async with connection.transaction():
        known = await known_keys(connection, list({incoming.key_hash for incoming in reports}))
        if known:
            rows = await connection.fetch(_LOCK, list(known.values()))
            folds = {row["check_id"]: _Fold(row) for row in rows}
            await _store(connection, _fold_in(folds, known, reports))
    return set(known)


def _fold_in(folds: Mapping[int, _Fold], known: Mapping[bytes, int], reports: Sequence[Incoming]) -> Sequence[_Fold]:
    for incoming in reports:
        if fold := folds.get(known.get(incoming.key_hash, 0)):
            fold.add(incoming)
    return list(folds.values())


async def _store(connection: Connection, folds: Sequence[_Fold]) -> None:
    ended = [fold.ended_row(fold.ended) for fold in folds if fold.ended]
    still_open = [fold.open_row() for fold in folds if not fold.ended]
    kept = [row for fold in folds for row in fold.rows.values()]
    if ended:
        await connection.execute(_KEEP_ENDED, *columns(ended, 9))
    if still_open:
        await connection.execute(_KEEP_OPEN, *columns(still_open, 3))
    await connection.execute(_MAKE_ROOM, *columns(kept, 2))
    await connection.execute(_KEEP_REPORTS, *columns(kept, 12))


def _in_milliseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // _MILLISECOND


def _stored_runs(runs: Sequence[OpenRun]) -> str:
    return orjson.dumps([(run.run_id, run.started_at) for run in runs]).decode()


_SHOW_RECEPTION: Final = """
INSERT INTO heartbeat_reception AS r (through_at) VALUES ($1)
ON CONFLICT ((true)) DO UPDATE SET
    through_at = greatest(r.through_at, excluded.through_at),
    interrupted_at = CASE WHEN $2 > r.through_at + $3 THEN r.through_at ELSE r.interrupted_at END,
    resumed_at = CASE WHEN $2 > r.through_at + $3 THEN $2 ELSE r.resumed_at END
"""


async def show_reception(connection: Connection, since: datetime, through: datetime) -> None:
    """Say that everything that came in from `since` until `through` is stored.

    Where nobody received before `since` for longer than a moment, that was an interruption.
    """
    await connection.execute(_SHOW_RECEPTION, through, since, SHORTEST_INTERRUPTION)
