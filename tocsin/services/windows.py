"""What is known of a window of time: whole hours from their rollups, what lies around them from the results."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from tocsin.database import Connection
from tocsin.services.rollups import COUNTERS, HOUR, SUMS, hour_of, summary_of_results


@dataclass(frozen=True, slots=True)
class Window:
    """`[since, until)`, of which the hours from `rolled_since` to `rolled_until` are read from their rollups."""

    since: datetime
    rolled_since: datetime
    rolled_until: datetime
    until: datetime

    @property
    def edges(self) -> tuple[datetime, datetime, datetime, datetime]:
        return self.since, self.rolled_since, self.rolled_until, self.until

    def without_rollups(self) -> "Window":
        return Window(self.since, self.until, self.until, self.until)


_CLOCKS = "SELECT tocsin_now() AS now, tocsin_rolled_up_to() AS rolled_up_to"


async def read_window(connection: Connection, since: datetime, until: datetime) -> Window:
    """A window, cut off at the platform's present."""
    [clocks] = await connection.fetch(_CLOCKS)
    until = max(since, min(until, clocks["now"]))
    rolled_since = hour_of(since + HOUR - datetime.resolution)
    rolled_until = min(hour_of(until), clocks["rolled_up_to"])
    window = Window(since, rolled_since, rolled_until, until)
    return window if rolled_since < rolled_until else window.without_rollups()


def _sums(key: str, wanted: Sequence[str], results: str = "results", hours: str = "results_hourly") -> str:
    """The SQL that sums up the checks $1 between the edges $2 to $5, by a column of both sources."""
    columns = ", ".join((key, *wanted))
    sums = (f"sum({name})::{'text' if name == 'histogram' else 'bigint'} AS {name}" for name in wanted)
    around = (f"{results} WHERE check_id = ANY($1::bigint[]) AND slot >= ${n} AND slot < ${n + 1}" for n in (2, 4))
    parts = (
        f"SELECT {columns} FROM {hours} WHERE check_id = ANY($1::bigint[]) AND hour >= $3 AND hour < $4",  # noqa: S608
        *(f"SELECT {columns} FROM ({summary_of_results(key, source)}) AS summary" for source in around),  # noqa: S608
    )
    return f"SELECT {key}, {', '.join(sums)} FROM ({' UNION ALL '.join(parts)}) AS parts GROUP BY {key}"  # noqa: S608


_COUNTS_BY_CHECK: Final = _sums("check_id", COUNTERS)
_SUMS_BY_CHECK: Final = _sums("check_id", SUMS)
_SUMS_BY_PART: Final = _sums(
    "part",
    SUMS,
    results="(SELECT *, width_bucket(slot, $6::timestamptz[]) - 1 AS part FROM results) AS r",
    hours="(SELECT *, width_bucket(hour, $6::timestamptz[]) - 1 AS part FROM results_hourly) AS h",
)


async def counts_by_check(
    connection: Connection, check_ids: Sequence[int], window: Window
) -> dict[int, asyncpg.Record]:
    """COUNTERS of each check that has results."""
    rows = await connection.fetch(_COUNTS_BY_CHECK, check_ids, *window.edges)
    return {row["check_id"]: row for row in rows}


async def sums_by_check(connection: Connection, check_ids: Sequence[int], window: Window) -> dict[int, asyncpg.Record]:
    """SUMS of each check that has results."""
    rows = await connection.fetch(_SUMS_BY_CHECK, check_ids, *window.edges)
    return {row["check_id"]: row for row in rows}


async def sums_by_part(
    connection: Connection, check_id: int, window: Window, starts: Sequence[datetime]
) -> dict[int, asyncpg.Record]:
    """SUMS of those parts of a window that have results, by their numbers from 0.

    An hour that is rolled up counts for the part in which it starts.
    """
    rows = await connection.fetch(_SUMS_BY_PART, [check_id], *window.edges, starts)
    return {row["part"]: row for row in rows}
