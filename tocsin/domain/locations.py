"""Checks that are probed from several locations: what their states make of the check's own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from tocsin.domain.observations import Reason
from tocsin.domain.status import CheckState, Event, IncidentOpened, IncidentResolved, Status, StatusChanged

DEFAULT_LOCATION: Final = "default"
MAXIMUM_LOCATIONS: Final = 16
LOCATION_PATTERN: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


class QuorumRule(StrEnum):
    """How many locations must be `DOWN` for the check to be: of all its locations, or all that know."""

    ANY = "ANY"
    MAJORITY = "MAJORITY"
    ALL = "ALL"


Quorum: TypeAlias = QuorumRule | int
"""A rule, or how many."""

DEFAULT_QUORUM: Final = QuorumRule.MAJORITY


def validate_location(name: str) -> str:
    """Return the name. Raises ValueError."""
    if not re.fullmatch(LOCATION_PATTERN, name):
        raise ValueError("must have up to 63 lower-case letters, digits and -, with a letter or digit at both ends")
    return name


def read_quorum(text: str) -> Quorum:
    """Raises ValueError."""
    if text in list(QuorumRule):
        return QuorumRule(text)
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAXIMUM_LOCATIONS:
        return int(text)
    raise ValueError(f"must be ANY, MAJORITY, ALL, or how many locations: 1 to {MAXIMUM_LOCATIONS}")


@dataclass(frozen=True, slots=True)
class LocationState:
    """What one location shows, since when, and why its last slot ended as it did."""

    status: Status
    since: datetime
    reason: Reason | None = None
    message: str | None = None


def aggregate(statuses: Sequence[Status], quorum: Quorum) -> Status:
    """What locations, one at least and none paused, say together.

    Where it hangs on some that may be down as well, it is `UNKNOWN`; `PENDING`, if they all have decided nothing yet.
    Fewer that are down than it takes make it `DEGRADED`.
    """
    down = statuses.count(Status.DOWN)
    open_statuses = [status for status in statuses if status in (Status.UNKNOWN, Status.PENDING)]
    if down >= needed(len(statuses), len(open_statuses), quorum):
        return Status.DOWN
    if down + len(open_statuses) >= needed(len(statuses), 0, quorum):
        return Status.UNKNOWN if Status.UNKNOWN in open_statuses else Status.PENDING
    return Status.DEGRADED if down or Status.DEGRADED in statuses else Status.UP


def needed(locations: int, undecided: int, quorum: Quorum) -> int:
    """How many of so many locations must be `DOWN`. `ALL` asks those that have decided, one at least."""
    match quorum:
        case QuorumRule.ANY:
            return 1
        case QuorumRule.MAJORITY:
            return locations // 2 + 1
        case QuorumRule.ALL:
            return max(1, locations - undecided)
        case count:
            return min(count, locations)


def follow(
    state: CheckState, locations: Sequence[LocationState], quorum: Quorum, at: datetime, slot: datetime
) -> tuple[CheckState, tuple[Event, ...]]:
    """Bring a check's own state to what its locations say now that one of them changed.

    `at` is when that change began, and `slot` the slot that decided it.
    """
    status = aggregate([location.status for location in locations], quorum)
    if status in (Status.PENDING, state.status):
        return state, ()
    reason = _reason(status, locations)
    if status is Status.UNKNOWN:
        at = max(at, state.since)
        return replace(state, unknown=True, since=at), (StatusChanged(state.status, status, at, slot, reason),)
    at = max(at, state.since, _quorum_since(locations, quorum) if status is Status.DOWN else at)
    changed = StatusChanged(state.status, status, at, slot, reason)
    return CheckState(since=at, decided=status), (changed, *_incidents(state, status, locations, at, slot))


def _incidents(
    state: CheckState, status: Status, locations: Sequence[LocationState], at: datetime, slot: datetime
) -> tuple[Event, ...]:
    if status is Status.DOWN and state.decided is not Status.DOWN:
        newest = max((each for each in locations if each.status is Status.DOWN), key=_since)
        return (IncidentOpened(at, slot, newest.reason, newest.message),)
    if status is not Status.DOWN and state.decided is Status.DOWN:
        return (IncidentResolved(at, slot),)
    return ()


def _quorum_since(locations: Sequence[LocationState], quorum: Quorum) -> datetime:
    """When as many locations as it takes were down."""
    down = sorted(location.since for location in locations if location.status is Status.DOWN)
    undecided = sum(location.status in (Status.UNKNOWN, Status.PENDING) for location in locations)
    return down[needed(len(locations), undecided, quorum) - 1]


_SPEAKING: Final = {
    Status.DOWN: {Status.DOWN},
    Status.DEGRADED: {Status.DEGRADED, Status.DOWN},
    Status.UNKNOWN: {Status.UNKNOWN},
    Status.UP: frozenset[Status](),
}


def _reason(status: Status, locations: Sequence[LocationState]) -> Reason | None:
    """That of the location which shows so since the latest."""
    speaking = [location for location in locations if location.status in _SPEAKING[status]]
    return max(speaking, key=_since).reason if speaking else None


def _since(location: LocationState) -> datetime:
    return location.since
