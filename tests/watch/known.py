"""States that a watcher may know."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.watch.model import Check, CheckName, Incident, Loaded, Result, State, StatusChanged, apply

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    """An instant, in seconds after noon."""
    return NOON + timedelta(seconds=second)


def check(number: int, status: str = "UP", site: str = "shop", **fields: Any) -> Check:
    return Check(CheckName(f"id-{number}", site, f"check {number}"), "http", status, NOON, **fields)


def result(second: int, outcome: str = "SUCCESS", milliseconds: float = 10, **fields: Any) -> Result:
    return Result(at(second), outcome, timedelta(milliseconds=milliseconds), **fields)


def incident(number: int, **fields: Any) -> Incident:
    return Incident(f"incident-{number}", NOON, **fields)


def change(number: int, second: int, before: str | None = "UP", to: str = "DOWN") -> StatusChanged:
    return StatusChanged(check(number).named, before, to, at(second), "TIMEOUT", to, at(second))


def knowing(*checks: Check, **fields: Any) -> State:
    return apply(State(), Loaded("acme", checks, **fields))
