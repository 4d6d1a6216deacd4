"""Fold a check's recorded slots in slot order: only the ordered, contiguous prefix, whatever order they arrived in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.schedule import ScheduleVersion, next_slot
from tocsin.domain.status import CheckState, Event, SlotResult, Thresholds, observe


@dataclass(frozen=True, slots=True)
class Gap:
    """Time from `from_at` until just before `to_at` in which nothing was planned."""

    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedSlot:
    """A slot that has ended, and the revision of the check that was probed for it."""

    revision: int
    result: SlotResult


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check is folded. No slot up to and including `through` is folded again."""

    state: CheckState
    through: datetime


@dataclass(frozen=True, slots=True)
class Course:
    """What decides which slots are due and how they count: versions in order, and the gaps in planning."""

    versions: Sequence[ScheduleVersion]
    thresholds: Thresholds
    gaps: Sequence[Gap] = ()

    def due_after(self, instant: datetime) -> datetime | None:
        return next_slot(self.versions, instant)

    def gap_around(self, slot: datetime) -> Gap | None:
        return next((gap for gap in self.gaps if gap.from_at <= slot < gap.to_at), None)

    def revision_at(self, slot: datetime) -> int:
        return next(version.revision for version in self.versions if version.valid_from <= slot < version.valid_to)


def fold(progress: Progress, recorded: Sequence[RecordedSlot], course: Course) -> tuple[Progress, tuple[Event, ...]]:
    """Fold the recorded slots, which are in slot order, as far as they follow one another without a hole.

    A slot inside a gap is not waited for: it counts as unknown. What is recorded for an instant that was not due, or
    by another revision of the check, changes nothing.
    """
    events: list[Event] = []
    for record in recorded:
        progress = _cross_gaps(progress, record.result.slot, course, events)
        due = course.due_after(progress.through)
        if due is None or due < record.result.slot:
            break
        if due == record.result.slot:
            progress = _advance(progress, record, course, events)
    return progress, tuple(events)


def _advance(progress: Progress, record: RecordedSlot, course: Course, events: list[Event]) -> Progress:
    if record.revision != course.revision_at(record.result.slot):
        return Progress(progress.state, record.result.slot)
    state, new_events = observe(progress.state, record.result, course.thresholds)
    events.extend(new_events)
    return Progress(state, record.result.slot)


def _cross_gaps(progress: Progress, slot: datetime, course: Course, events: list[Event]) -> Progress:
    """Pass over the gaps that lie between the progress and the slot."""
    while course.gaps and (due := course.due_after(progress.through)) is not None and due < slot:
        gap = course.gap_around(due)
        if gap is None:
            return progress
        state, new_events = observe(progress.state, SlotResult(due, Outcome.UNKNOWN, Reason.GAP), course.thresholds)
        events.extend(new_events)
        progress = Progress(state, gap.to_at - datetime.resolution)
    return progress


def due_outside_gaps(course: Course, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every slot in `(after, until]` that lies in no gap, in order. A gap costs one step, however long it is."""
    while (due := course.due_after(after)) is not None and due <= until:
        gap = course.gap_around(due)
        if gap is None:
            yield due
        after = due if gap is None else gap.to_at - datetime.resolution
