"""Hourly rollups of results: made when an hour is over, and made again when it got a late result."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from tocsin.database import Connection
from tocsin.domain.latency import BOUNDARIES, DIGITS
from tocsin.domain.observations import Outcome
from tocsin.models.codes import OUTCOME_CODES

HOUR: Final = timedelta(hours=1)
# By then the results of the hour's last slots are in, with few exceptions.
_GRACE: Final = timedelta(minutes=2)
# Any number: whoever has it rolls up.
_LOCK: Final = 7_408_270

# One column of results_hourly for each outcome.
_COUNTERS: Final = {
    "successes": Outcome.SUCCESS,
    "degraded": Outcome.DEGRADED,
    "failures": Outcome.FAILURE,
    "missed": Outcome.MISSED,
    "unknown": Outcome.UNKNOWN,
}
COUNTERS: Final = tuple(_COUNTERS)
SUMS: Final = (*COUNTERS, "duration_sum_us", "histogram")


def summary_of_results(keys: str, source: str) -> str:
    """The SQL that sums up results, named as in SUMS, for each value of the columns `keys`.

    `source` follows FROM. Missed and unknown slots are counted, and have no latency.
    """
    counts = ", ".join(
        f"coalesce(sum(n) FILTER (WHERE outcome = {OUTCOME_CODES[outcome]}), 0)::int AS {column}"
        for column, outcome in _COUNTERS.items()
    )
    probed = ", ".join(str(OUTCOME_CODES[o]) for o in (Outcome.SUCCESS, Outcome.DEGRADED, Outcome.FAILURE))
    boundaries = ",".join(map(str, BOUNDARIES))
    return f"""
    SELECT {keys}, {counts},
        coalesce(sum(duration_us) FILTER (WHERE bucket IS NOT NULL), 0)::bigint AS duration_sum_us,
        coalesce(sum(n * ('1e' || {DIGITS} * bucket)::numeric), 0) AS histogram
    FROM (
        SELECT {keys}, outcome, count(*) AS n, sum(duration_us) AS duration_us,
            CASE WHEN outcome IN ({probed}) THEN width_bucket(duration_us, '{{{boundaries}}}'::int[]) END AS bucket
        FROM {source}
        GROUP BY {keys}, outcome, bucket
    ) AS counted
    GROUP BY {keys}
    """  # noqa: S608 (no value of a user is in it)


_KEYS = "check_id, location_id, organization_id"
# In the order of the checks, so that those that are made together, and are asked for together, share pages.
_ROLL_UP_HOUR = f"""
INSERT INTO results_hourly ({_KEYS}, {", ".join(SUMS)}, hour)
SELECT s.*, $1 FROM ({summary_of_results(_KEYS, "results WHERE slot >= $1 AND slot < $1 + interval '1 hour'")}) AS s
ORDER BY check_id, location_id
ON CONFLICT (check_id, hour, location_id) DO UPDATE
SET {", ".join(f"{column} = excluded.{column}" for column in SUMS)}
"""  # noqa: S608
_MARK = "INSERT INTO rollup_marks (hour) SELECT unnest($1::timestamptz[])"
_TAKE_MARKS = "DELETE FROM rollup_marks WHERE hour = $1"
_DUE = """
SELECT hour FROM generate_series((SELECT rolled_up_to FROM rollup_progress), $1, interval '1 hour') AS hour
UNION
SELECT hour FROM rollup_marks WHERE hour <= $1
ORDER BY hour
"""
_PROGRESS = "UPDATE rollup_progress SET rolled_up_to = $1 WHERE rolled_up_to < $1"


def hour_of(instant: datetime) -> datetime:
    """The start of the hour, in UTC."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


async def mark_hours(connection: Connection, hours: Collection[datetime]) -> None:
    """Have hours rolled up again.

    To be called in the transaction that writes results of hours that are over: their starts, by `hour_of`.
    """
    if hours:
        await connection.execute(_MARK, list(hours))


async def roll_up(connection: Connection, now: datetime) -> list[datetime]:
    """Roll up every hour that is over and not yet rolled up, or marked; return the starts of these hours.

    Each hour is a transaction of its own. Nothing is done while another process is at it.
    """
    newest = hour_of(now - _GRACE) - HOUR
    done: list[datetime] = []
    for row in await connection.fetch(_DUE, newest):
        # In order, for the progress must not pass an hour that another process may still fail at.
        if not await _roll_up_alone(connection, row["hour"]):
            break
        done.append(row["hour"])
    return done


async def _roll_up_alone(connection: Connection, hour: datetime) -> bool:
    async with connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
            return False
        # First: a mark that is seen here belongs to results that the next statement sees.
        await connection.execute(_TAKE_MARKS, hour)
        await rollup_hour(connection, hour)
        await connection.execute(_PROGRESS, hour + HOUR)
        return True


async def rollup_hour(connection: Connection, hour: datetime) -> None:
    """Sum up the results of all checks in the hour that starts then; once more replaces the sums."""
    await connection.execute(_ROLL_UP_HOUR, hour)
