"""What a watcher knows: a fold of what the API tells. No clock, no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

KEPT_RESULTS: Final = 20
KEPT_CHANGES: Final = 50


class CheckName(NamedTuple):
    """Which check, and what people call it."""

    id: str
    site: str
    name: str


@dataclass(frozen=True, slots=True)
class Result:
    """How one slot ended. `duration` is None when nothing was probed."""

    slot: datetime
    outcome: str
    duration: timedelta | None = None
    reason: str | None = None
    message: str | None = None
    status_code: int | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A period in which a target is down; over once `resolved_at` is set."""

    id: str
    opened_at: datetime
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    cause: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its last results, the oldest first. `uptime` is a share of the last 24 hours."""

    named: CheckName
    kind: str
    status: str
    since: datetime
    uptime: float | None = None
    results: tuple[Result, ...] = ()
    incident: Incident | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """All checks as they are, read anew. The platform's clock is ahead of this machine's by `clock_lead`.

    `overtaken` are those that something newer may have been told of while they were read.
    """

    organization: str
    checks: tuple[Check, ...]
    clock_lead: timedelta = timedelta()
    overtaken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ResultSeen:
    """A slot of a check has ended."""

    check: CheckName
    result: Result


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A check shows another status since `at`; `status` and `since` are what it shows now.

    `from_status` is None where only the present is known.
    """

    check: CheckName
    from_status: str | None
    to: str
    at: datetime
    reason: str | None
    status: str
    since: datetime


@dataclass(frozen=True, slots=True)
class IncidentChanged:
    """Something happened to an incident, which is given as it is now."""

    check: CheckName
    incident: Incident
    kind: str
    at: datetime
    message: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The API is away; the next attempt is made at `retry_at`. Both instants are of this machine's clock."""

    at: datetime
    reason: str
    retry_at: datetime


CheckEvent: TypeAlias = ResultSeen | StatusChanged | IncidentChanged
Event: TypeAlias = Loaded | ConnectionLost | CheckEvent


@dataclass(frozen=True, slots=True)
class State:
    """All that is known. `organization` is None until the checks were loaded; `away` is set while the API is away.

    `changes` are the newest first.
    """

    organization: str | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)
    changes: tuple[StatusChanged, ...] = ()
    away: ConnectionLost | None = None
    clock_lead: timedelta = timedelta()


def apply(state: State, event: Event) -> State:
    """The state after an event. What is told of a check that is not known is left out: it will be loaded."""
    match event:
        case Loaded():
            return _load(state, event)
        case ConnectionLost():
            since = state.away.at if state.away else event.at
            return replace(state, away=replace(event, at=since))
        case StatusChanged():
            state = replace(state, changes=_newest((event, *state.changes)))
    check = state.checks.get(event.check.id)
    return state if check is None else replace(state, checks={**state.checks, event.check.id: _after(check, event)})


def _load(state: State, loaded: Loaded) -> State:
    checks = {check.named.id: _joined_check(state, loaded, check) for check in loaded.checks}
    # Nobody tells what changed before; of each check, the last change shows.
    changes = _newest((*state.changes, *map(_last_change, checks.values())))
    return State(loaded.organization, checks, changes, None, loaded.clock_lead)


def _joined_check(state: State, loaded: Loaded, check: Check) -> Check:
    known = state.checks.get(check.named.id)
    if known is None:
        return check
    check = replace(check, results=_joined(known.results, check.results))
    if check.named.id in loaded.overtaken:
        return replace(check, status=known.status, since=known.since, incident=known.incident)
    return check


def _last_change(check: Check) -> StatusChanged:
    return StatusChanged(check.named, None, check.status, check.since, None, check.status, check.since)


def _newest(changes: Iterable[StatusChanged]) -> tuple[StatusChanged, ...]:
    """The newest first, each once: of two that tell the same, and of two at the same instant, the one given first."""
    told: dict[tuple[datetime, str, str], StatusChanged] = {}
    for change in changes:
        told.setdefault((change.at, change.check.id, change.to), change)
    return tuple(sorted(told.values(), key=lambda change: change.at, reverse=True)[:KEPT_CHANGES])


def _after(check: Check, event: CheckEvent) -> Check:
    match event:
        case ResultSeen():
            return replace(check, results=_joined(check.results, (event.result,)))
        case StatusChanged():
            return replace(check, status=event.status, since=event.since)
        case IncidentChanged():
            return replace(check, incident=_open_incident(check.incident, event.incident))


def _open_incident(shown: Incident | None, told: Incident) -> Incident | None:
    if told.resolved_at is None:
        return told
    # A replay may tell the end of an incident that another one has followed since.
    return None if shown is None or shown.id == told.id else shown


def _joined(known: tuple[Result, ...], added: tuple[Result, ...]) -> tuple[Result, ...]:
    """The newest of both, each slot once, in the order of the slots: replays and pages overlap."""
    by_slot = {result.slot: result for result in (*known, *added)}
    return tuple(by_slot[slot] for slot in sorted(by_slot)[-KEPT_RESULTS:])
