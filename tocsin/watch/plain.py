"""What happens, as lines for logs: an instant, what it is, which check, and the rest."""

from collections.abc import Iterator
from datetime import UTC, datetime

from tocsin.watch.cells import latency
from tocsin.watch.model import (
    Check,
    CheckName,
    ConnectionLost,
    Event,
    IncidentChanged,
    Loaded,
    ResultSeen,
    State,
    StatusChanged,
)


def lines(before: State, event: Event, now: datetime) -> Iterator[str]:
    """What an event says that the state before it did not know."""
    match event:
        case Loaded():
            yield from _loaded(before, event, now)
        case ConnectionLost():
            if before.away is None:
                yield _line(now, "away", f"{event.reason}; trying again")
        case ResultSeen():
            result = event.result
            words = (result.outcome, _duration(event), result.reason, result.message)
            yield _about(event.check, result.slot, "result", *words)
        case StatusChanged():
            yield _about(event.check, event.at, "status", f"{event.from_status} -> {event.to}", event.reason)
        case IncidentChanged():
            yield _incident(event)


def _loaded(before: State, loaded: Loaded, now: datetime) -> Iterator[str]:
    """The connection, and the checks that came and went since the last time."""
    if before.organization is None:
        yield _line(now, "connected", f"to {loaded.organization}")
    elif before.away is not None:
        yield _line(now, "connected", "again")
    known = {check.named.id for check in loaded.checks}
    for check in loaded.checks:
        if check.named.id not in before.checks:
            yield _check(check)
    for check_id, check in before.checks.items():
        if check_id not in known:
            yield _line(now, "gone", _place(check.named))


def _check(check: Check) -> str:
    return _about(check.named, check.since, "check", check.status, check.kind)


def _incident(event: IncidentChanged) -> str:
    actor = None if event.actor is None else f"by {event.actor}"
    return _about(event.check, event.at, "incident", event.kind, event.incident.cause, event.message, actor)


def _duration(event: ResultSeen) -> str | None:
    return None if event.result.duration is None else latency(event.result.duration)


def _place(check: CheckName) -> str:
    return f"{check.site} / {check.name}"


def _about(check: CheckName, instant: datetime, kind: str, *words: str | None) -> str:
    return _line(instant, kind, f"{_place(check)}:", *words)


def _line(instant: datetime, kind: str, *words: str | None) -> str:
    stamp = instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return " ".join([f"{stamp}Z", f"{kind:<9}", *(word for word in words if word)])
