"""When a check is due: slots, phases and ticks, as pure functions of its schedule's versions.

The slots of an interval are `phase + k * interval` since the Unix epoch. The phase is a hash of the check's id, so
that checks spread evenly, every replica agrees, and nothing is stored per run. Cron expressions name their instants.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from tocsin.domain.cron import Cron, cron_instants, validate_cron, validate_time_zone

__all__ = [
    "END_OF_TIME",
    "EPOCH",
    "MAXIMUM_INTERVAL",
    "MILLISECOND",
    "MINIMUM_INTERVAL",
    "TICK",
    "Cron",
    "Interval",
    "ScheduleVersion",
    "cron_instants",
    "first_slot_after",
    "interval_schedule",
    "next_slot",
    "phase",
    "slots",
    "slots_of",
    "validate_cron",
    "validate_interval",
    "validate_time_zone",
]

TICK = timedelta(seconds=1)
MINIMUM_INTERVAL = TICK
MAXIMUM_INTERVAL = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every `every`, shifted by the check's phase."""

    every: timedelta
    phase: timedelta


@dataclass(frozen=True, slots=True)
class ScheduleVersion:
    """What was due from `valid_from` until just before `valid_to`; nothing while `paused`."""

    revision: int
    valid_from: datetime
    valid_to: datetime
    schedule: Interval | Cron
    paused: bool = False


def validate_interval(interval: timedelta) -> timedelta:
    """Return the interval. Raises ValueError unless it is a whole number of seconds from 1 s to 1 day."""
    if not MINIMUM_INTERVAL <= interval <= MAXIMUM_INTERVAL or interval % TICK:
        shortest, longest = MINIMUM_INTERVAL // TICK, MAXIMUM_INTERVAL // TICK
        raise ValueError(f"must be a whole number of seconds from {shortest} to {longest}; use cron for longer ones")
    return interval


def phase(check_id: int, interval: timedelta) -> timedelta:
    """Where in its interval a check is due, in whole milliseconds: SHA-256 of its id, modulo the interval.

    The SQL function `tocsin_phase_ms` computes the same.
    """
    digest = hashlib.sha256(check_id.to_bytes(8, "big", signed=True)).digest()
    hashed = int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
    return hashed % (interval // MILLISECOND) * MILLISECOND


def interval_schedule(check_id: int, interval: timedelta) -> Interval:
    return Interval(interval, phase(check_id, interval))


def first_slot_after(schedule: Interval, instant: datetime) -> datetime:
    """The earliest slot that lies strictly after the instant."""
    elapsed = (instant - EPOCH - schedule.phase) // schedule.every
    return EPOCH + schedule.phase + (elapsed + 1) * schedule.every


def slots_of(version: ScheduleVersion, after: datetime) -> Iterator[datetime]:
    """The slots of one version strictly after `after`, in order."""
    if version.paused:
        return
    # Slots are whole milliseconds, the instants of edits are not: one that lies between two belongs to the later.
    start = max(after, version.valid_from - datetime.resolution)
    yield from takewhile(lambda slot: slot < version.valid_to, _unbounded_slots(version.schedule, start))


def _unbounded_slots(schedule: Interval | Cron, after: datetime) -> Iterator[datetime]:
    if isinstance(schedule, Cron):
        yield from cron_instants(schedule, after)
        return
    slot = first_slot_after(schedule, after)
    while True:
        yield slot
        slot += schedule.every


def slots(versions: Sequence[ScheduleVersion], after: datetime, until: datetime) -> Iterator[datetime]:
    """Every slot in `(after, until]` by the versions, which are in order and do not overlap."""
    for version in versions:
        if version.valid_to > after and version.valid_from <= until:
            yield from takewhile(lambda slot: slot <= until, slots_of(version, after))


def next_slot(versions: Sequence[ScheduleVersion], after: datetime) -> datetime | None:
    """The earliest slot strictly after `after`; None when nothing is due any more."""
    return next(slots(versions, after, END_OF_TIME), None)
