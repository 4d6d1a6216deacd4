"""The state machine: the status of a check at a location is a fold of `observe` over its slots, in slot order."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tocsin.domain.failure_window import Window, failing_at_end, failing_in, followed
from tocsin.domain.observations import UNDECIDED_REASONS, Outcome, Reason


class Status(StrEnum):
    """What a check's target is known to be.

    `UNKNOWN` lies over the last decided status. `PAUSED` is shown by whoever pauses a check: no slot leads to it.
    """

    PENDING = "PENDING"
    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"
    PAUSED = "PAUSED"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many consecutive slots decide: failing ones for `DOWN`, succeeding ones for the way back.

    With a `window`, the failing ones need not be consecutive, but be among so many of the last slots.
    """

    failure: int = 3
    success: int = 2
    window: int | None = None


@dataclass(frozen=True, slots=True)
class SlotResult:
    """What the fold needs to know of a slot that has ended."""

    slot: datetime
    outcome: Outcome
    reason: Reason | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class CheckState:
    """The fold so far.

    `decided` is the last status that slots decided, `unknown` the overlay. `run_length` counts the slots, in a row or
    in the window, that contradict `decided`, and `run_started_at` is the first of them. `window` is empty where they
    count in a row. `since` is when the shown status began.
    """

    since: datetime
    decided: Status = Status.PENDING
    unknown: bool = False
    run_length: int = 0
    run_started_at: datetime | None = None
    window: Window = ()

    @property
    def status(self) -> Status:
        return Status.UNKNOWN if self.unknown else self.decided


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The shown status changed; `at` is when the new one began, `slot` the slot that decided it.

    `reason` says why the new status is shown; None where the slot speaks against it, and only lifts `UNKNOWN`.
    """

    from_status: Status
    to_status: Status
    at: datetime
    slot: datetime
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class IncidentOpened:
    """The target is down since `at`, the first failing slot; `cause` and `message` are those of the deciding one."""

    at: datetime
    slot: datetime
    cause: Reason | None
    message: str | None


@dataclass(frozen=True, slots=True)
class IncidentResolved:
    """The target is back since `at`, the first succeeding slot."""

    at: datetime
    slot: datetime


Event = StatusChanged | IncidentOpened | IncidentResolved


def observe(state: CheckState, result: SlotResult, thresholds: Thresholds) -> tuple[CheckState, tuple[Event, ...]]:
    """Fold one more slot, which lies after every slot folded so far."""
    if _is_undecided(result):
        return _cover(state, result)
    if thresholds.window is not None and state.decided is not Status.DOWN:
        return _count_in_window(state, result, thresholds.failure, thresholds.window)
    if _contradicts(state.decided, result):
        return _count(state, result, thresholds)
    return _show(state, result, _verdict(result), result.slot)


def _is_undecided(result: SlotResult) -> bool:
    return result.outcome in (Outcome.MISSED, Outcome.UNKNOWN) or result.reason in UNDECIDED_REASONS


def _verdict(result: SlotResult) -> Status:
    return _VERDICTS[result.outcome]


_VERDICTS = {Outcome.SUCCESS: Status.UP, Outcome.DEGRADED: Status.DEGRADED, Outcome.FAILURE: Status.DOWN}


def confirmed_status(outcome: Outcome) -> Status | None:
    """The status that a slot of this outcome leaves as it is, when it is decided and shown and no run is counted.

    None for an outcome that decides nothing. With one of UNDECIDED_REASONS, no outcome confirms anything.
    """
    return _VERDICTS.get(outcome)


def _contradicts(decided: Status, result: SlotResult) -> bool:
    return (decided is Status.DOWN) != (result.outcome is Outcome.FAILURE)


def _cover(state: CheckState, result: SlotResult) -> tuple[CheckState, tuple[Event, ...]]:
    """Lay `UNKNOWN` over the decided status; the counters stay as they are."""
    if state.unknown:
        return state, ()
    covered = replace(state, unknown=True, since=result.slot)
    return covered, (StatusChanged(state.status, Status.UNKNOWN, result.slot, result.slot, result.reason),)


def _count(state: CheckState, result: SlotResult, thresholds: Thresholds) -> tuple[CheckState, tuple[Event, ...]]:
    """Count a slot that contradicts the decided status, which changes once enough of them came in a row."""
    needed = thresholds.success if state.decided is Status.DOWN else thresholds.failure
    counted, run_started_at = _run_so_far(state)
    run_started_at = run_started_at or result.slot
    if counted + 1 >= needed:
        return _decide(state, result, run_started_at)
    shown, events = _show(state, result, state.decided, result.slot)
    return replace(shown, run_length=counted + 1, run_started_at=run_started_at), events


def _run_so_far(state: CheckState) -> tuple[int, datetime | None]:
    if not state.window:
        return state.run_length, state.run_started_at
    run = failing_at_end(state.window)
    return len(run), next(iter(run), None)


def _count_in_window(
    state: CheckState, result: SlotResult, needed: int, size: int
) -> tuple[CheckState, tuple[Event, ...]]:
    """Let a slot into the window of a check that is not `DOWN`: it is, once enough in the window failed."""
    failed = result.outcome is Outcome.FAILURE
    window = followed(_window_so_far(state), result.slot if failed else None, size)
    failing = failing_in(window)
    if failed and len(failing) >= needed:
        return _decide(state, result, failing[0])
    shown, events = _show(state, result, state.decided if failed else _verdict(result), result.slot)
    run_started_at = next(iter(failing), None)
    return replace(shown, window=window, run_length=len(failing), run_started_at=run_started_at), events


def _window_so_far(state: CheckState) -> Window:
    """A run that was counted before there was a window is in it, from its start on."""
    return state.window or (state.run_started_at,) * state.run_length


def _decide(state: CheckState, result: SlotResult, run_started_at: datetime) -> tuple[CheckState, tuple[Event, ...]]:
    # What was shown as unknown meanwhile stays unknown: history is not rewritten.
    at = result.slot if state.unknown else max(run_started_at, state.since)
    decided, events = _show(state, result, _verdict(result), at)
    if decided.decided is Status.DOWN:
        return decided, (*events, IncidentOpened(run_started_at, result.slot, result.reason, result.message))
    return decided, (*events, IncidentResolved(run_started_at, result.slot))


def _show(state: CheckState, result: SlotResult, decided: Status, at: datetime) -> tuple[CheckState, tuple[Event, ...]]:
    """Show a decided status, with the counters at rest."""
    if state.status is decided:
        return _at_rest(state), ()
    reason = result.reason if _verdict(result) is decided else None
    return CheckState(since=at, decided=decided), (StatusChanged(state.status, decided, at, result.slot, reason),)


def _at_rest(state: CheckState) -> CheckState:
    return state if state.run_length == 0 else replace(state, run_length=0, run_started_at=None, window=())
