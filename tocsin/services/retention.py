"""What is let go when it is too old: the rows of every table that grows. Results go as partitions, day by day.

| what                                           | is kept for                                      |
|------------------------------------------------|--------------------------------------------------|
| events, idempotency keys                       | 24 hours                                         |
| events that changed a status or an incident    | as long as results                               |
| runs of targets that are not saved             | 10 minutes                                       |
| batches that are done, instants of cron        | 1 hour                                           |
| ticks                                          | 8 days, or as long as results if that is shorter |
| gaps, runs, versions that no kept result is of | as long as results                               |
| rollups, incidents that are over               | as long as history                               |
| status changes                                 | as long as history, and the last one before      |
| deleted checks, and all that is left of them   | as long as results                               |
| deleted sites                                  | as long as results, and their deleted checks     |

Gaps and versions tell why a slot has no result, so they stay as long as the results around it. Ticks tell nothing
that anybody asks for after some days, except the newest: the platform's time and the next gap are counted from it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.database import Connection
from tocsin.settings import Retention

# Few enough that a statement takes some tens of milliseconds.
_CHUNK: Final = 5_000
_TRIALS_KEPT: Final = timedelta(minutes=10)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Rule:
    """The rows `t` of a table go for which a condition on the instant `$1` holds, which lies `kept` before now."""

    table: str
    kept: timedelta
    condition: str

    @property
    def statement(self) -> str:
        some = f"SELECT t.ctid FROM {self.table} t WHERE {self.condition} LIMIT {_CHUNK}"  # noqa: S608
        return f"DELETE FROM {self.table} WHERE ctid = ANY(ARRAY({some}))"  # noqa: S608


_BATCH_IS_DONE: Final = "EXISTS (SELECT FROM batch_leases l WHERE l.batch_id = t.id AND l.done_at IS NOT NULL)"
# Who is told of changes alone may come back after days with the cursor of the last one.
_EVENT_CHANGED_NOTHING: Final = "cardinality(t.status_change_ids) + cardinality(t.incident_event_ids) = 0"
_TICK_IS_NOT_NEWEST: Final = "t.at < (SELECT max(at) FROM ticks)"
# The status at $1 stays known, and so does what came after.
_CHANGE_IS_NOT_LAST: Final = """EXISTS (
    SELECT FROM status_changes later
    WHERE later.check_id = t.check_id AND later.location_id = t.location_id
      AND (later.at, later.id) > (t.at, t.id) AND later.at <= $1
)"""
_CHECK_IS_DELETED: Final = "t.check_id IN (SELECT id FROM checks WHERE deleted_at < $1)"
_SITE_IS_EMPTY: Final = "NOT EXISTS (SELECT FROM checks c WHERE c.site_id = t.id)"


def _rules(retention: Retention) -> tuple[_Rule, ...]:
    results, history = timedelta(days=retention.results_days), timedelta(days=retention.history_days)
    return (
        _Rule("events", _DAY, f"t.at < $1 AND {_EVENT_CHANGED_NOTHING} ORDER BY t.at"),
        _Rule("events", results, "t.at < $1 ORDER BY t.at"),
        _Rule("idempotency_keys", _DAY, "t.created_at < $1 ORDER BY t.created_at"),
        _Rule("batches", _HOUR, f"t.tick_at < $1 AND {_BATCH_IS_DONE} ORDER BY t.tick_at"),
        _Rule("cron_instants", _HOUR, "t.slot < $1 ORDER BY t.slot"),
        _Rule("ticks", min(8 * _DAY, results), f"t.at < $1 AND {_TICK_IS_NOT_NEWEST} ORDER BY t.at"),
        _Rule("gaps", results, "t.to_at < $1 ORDER BY t.to_at"),
        _Rule("runs", _TRIALS_KEPT, "t.check_id IS NULL AND t.requested_at < $1 ORDER BY t.requested_at"),
        _Rule("runs", results, "t.requested_at < $1 ORDER BY t.requested_at"),
        _Rule("check_versions", results, "t.valid_to < $1"),
        _Rule("results_hourly", history, "t.hour < $1 ORDER BY t.hour"),
        _Rule("incidents", history, "t.resolved_at < $1"),
        _Rule("status_changes", history, f"t.at < $1 AND {_CHANGE_IS_NOT_LAST} ORDER BY t.at"),
        # In this order, so that nothing is left of a check that is gone.
        *(_Rule(table, results, _CHECK_IS_DELETED) for table in ("results_hourly", "status_changes", "incidents")),
        _Rule("checks", results, "t.deleted_at < $1"),
        _Rule("sites", results, f"t.deleted_at < $1 AND {_SITE_IS_EMPTY}"),
    )


async def expire(connection: Connection, now: datetime, retention: Retention) -> Counter[str]:
    """Delete what is too old, a few thousand rows a statement; return how many rows of each table went."""
    expired: Counter[str] = Counter()
    for rule in _rules(retention):
        expired[rule.table] += await _exhaust(connection, rule.statement, now - rule.kept)
    return expired


async def _exhaust(connection: Connection, statement: str, before: datetime) -> int:
    total = 0
    while True:
        deleted = int((await connection.execute(statement, before)).removeprefix("DELETE "))
        total += deleted
        if deleted < _CHUNK:
            return total
