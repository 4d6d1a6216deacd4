"""The columns of the three tables. They begin alike, so that the same things stand below one another."""

from collections.abc import Iterable
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from tocsin.watch import cells
from tocsin.watch.columns import Column
from tocsin.watch.model import KEPT_RESULTS, Check, Incident, StatusChanged

_LONGEST_NAME = 40
_SHORTEST_NAME = 16
_ANY_WIDTH = 500


def name_width(checks: Iterable[Check]) -> int:
    """How many characters a column of names can use."""
    return min(max((cell_len(check.named.name) for check in checks), default=0), _LONGEST_NAME)


def check_columns(names: int, now: datetime) -> list[Column[Check]]:
    """For the checks of a site. `names` is what a column of names can use, here and below."""
    return [
        Column("", lambda check: cells.sign(check.status), rank=0, width=1),
        Column("STATUS", lambda check: cells.status_word(check.status), rank=4, width=8),
        Column(None, lambda check: check.named.name, rank=1, width=_SHORTEST_NAME, most=names),
        Column("FOR", lambda check: cells.age(now - check.since), rank=2, width=6),
        Column("LATENCY", _latency, rank=3, width=7, right=True),
        Column(f"LAST {KEPT_RESULTS}", lambda check: cells.sparkline(check.results), rank=5, width=KEPT_RESULTS),
        Column("24 H", lambda check: cells.percentage(check.uptime), rank=6, width=6, right=True),
        Column("KIND", lambda check: check.kind, rank=8, width=4, most=_ANY_WIDTH),
        Column("LAST RESULT", cells.last_words, rank=7, width=16, most=_ANY_WIDTH),
    ]


def incident_columns(names: int, now: datetime) -> list[Column[tuple[Check, Incident]]]:
    """For open incidents."""
    return [
        Column("", lambda row: _incident_word("~", "✗", row[1]), rank=0, width=1),
        Column("STATUS", lambda row: _incident_word("ACKED", "OPEN", row[1]), rank=3, width=8),
        Column(None, lambda row: row[0].named.name, rank=1, width=_SHORTEST_NAME, most=names),
        Column("FOR", lambda row: cells.age(now - row[1].opened_at), rank=2, width=6),
        Column("OPENED", lambda row: cells.clock(row[1].opened_at, now), rank=4, width=8),
        Column("CAUSE", lambda row: row[1].cause or "", rank=5, width=8, most=_ANY_WIDTH),
        Column("SITE", lambda row: row[0].named.site, rank=7, width=10, most=_LONGEST_NAME),
        Column("MESSAGE", lambda row: row[1].message or "", rank=6, width=16, most=_ANY_WIDTH),
    ]


def change_columns(names: int, now: datetime) -> list[Column[StatusChanged]]:
    """For status changes."""
    return [
        Column("", lambda change: cells.sign(change.to), rank=0, width=1),
        Column("STATUS", lambda change: cells.status_word(change.to), rank=2, width=8),
        Column(None, lambda change: change.check.name, rank=1, width=_SHORTEST_NAME, most=names),
        Column("SINCE", lambda change: cells.clock(change.at, now), rank=3, width=8),
        Column("BEFORE", lambda change: cells.status_word(change.from_status or ""), rank=4, width=8),
        Column("REASON", lambda change: change.reason or "", rank=5, width=8, most=_ANY_WIDTH),
        Column("SITE", lambda change: change.check.site, rank=6, width=10, most=_LONGEST_NAME),
    ]


def _latency(check: Check) -> str:
    return cells.latency(check.results[-1].duration) if check.results else cells.latency(None)


def _incident_word(acknowledged: str, unanswered: str, incident: Incident) -> Text:
    return Text(unanswered, "bold red") if incident.acknowledged_at is None else Text(acknowledged, "yellow")
