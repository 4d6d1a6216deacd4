"""What was due, as the database remembers it: the versions of schedules and the gaps in planning."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from tocsin.database import Connection
from tocsin.domain.folding import Course, Gap
from tocsin.domain.schedule import Cron, Interval, ScheduleVersion
from tocsin.domain.status import Thresholds

_VERSIONS = """
SELECT check_id, revision, valid_from, valid_to, interval_ms, phase_ms, cron, time_zone, paused,
       failure_threshold, success_threshold, failure_window
FROM check_versions
WHERE check_id = ANY($1::bigint[]) AND valid_to > $2 AND valid_from < valid_to ORDER BY check_id, valid_from
"""
# The first day that results are kept of: after a long sleep, or from an old backup, slots are older than that. They
# have no result and never get one, so they count as lying in a gap.
KEPT_FROM = """
(SELECT coalesce(min(to_date(right(c.relname, 8), 'YYYYMMDD')), '-infinity')::timestamp AT TIME ZONE 'UTC'
 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'results'::regclass AND NOT i.inhdetachpending)
"""
_GAPS = f"""
SELECT '-infinity'::timestamptz AS from_at, {KEPT_FROM} AS to_at WHERE {KEPT_FROM} > $1
UNION ALL
SELECT from_at, to_at FROM gaps WHERE to_at > $1
ORDER BY from_at
"""  # noqa: S608 - no value of a user is in it


async def read_courses(connection: Connection, check_ids: Sequence[int], since: datetime) -> dict[int, Course]:
    """The whole course of each check since an instant. Its newest thresholds count."""
    rows: defaultdict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in await connection.fetch(_VERSIONS, check_ids, since):
        rows[row["check_id"]].append(row)
    gaps = [Gap(row["from_at"].replace(tzinfo=UTC), row["to_at"]) for row in await connection.fetch(_GAPS, since)]
    return {
        check_id: Course([schedule_version(row) for row in versions], thresholds(versions[-1]), gaps)
        for check_id, versions in rows.items()
    }


def newest_course(row: asyncpg.Record) -> Course:
    """The course of a check that follows its newest version, which is all that most of them need."""
    return Course((schedule_version(row),), thresholds(row))


def thresholds(row: asyncpg.Record) -> Thresholds:
    return Thresholds(row["failure_threshold"], row["success_threshold"], row["failure_window"])


def schedule_version(row: asyncpg.Record) -> ScheduleVersion:
    # asyncpg reads infinity as a naive maximum.
    valid_to = row["valid_to"].replace(tzinfo=UTC)
    return ScheduleVersion(row["revision"], row["valid_from"], valid_to, _schedule(row), row["paused"])


def _schedule(row: asyncpg.Record) -> Interval | Cron:
    if row["cron"] is not None:
        return Cron(row["cron"], row["time_zone"])
    return Interval(timedelta(milliseconds=row["interval_ms"]), timedelta(milliseconds=row["phase_ms"]))
