"""When a check is due: slots, phases and ticks, as pure functions of its schedule's versions.

The slots of an interval are `phase + k * interval` since the Unix epoch. The phase is a hash of the check's id, so
that checks spread evenly, every replica agrees, and nothing is stored per run. Cron expressions name their instants.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

TICK = timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every `every`, shifted by the check's phase."""

    every: timedelta
    phase: timedelta


@dataclass(frozen=True, slots=True)
class Cron:
    """The instants of a five-field cron expression in an IANA time zone."""

    expression: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class ScheduleVersion:
    """What was due from `valid_from` until just before `valid_to`; nothing while `paused`."""

    revision: int
    valid_from: datetime
    valid_to: datetime
    schedule: Interval | Cron
    paused: bool = False


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


def cron_instants(cron: Cron, after: datetime) -> Iterator[datetime]:
    """The instants strictly after `after`, in order, in UTC.

    A daily time that a clock change skips runs right after the change; one that it repeats runs once.
    """
    local = after.astimezone(ZoneInfo(cron.time_zone))
    return (instant.astimezone(UTC) for instant in CronSim(cron.expression, local))


def slots_of(version: ScheduleVersion, after: datetime) -> Iterator[datetime]:
    """The slots of one version strictly after `after`, in order."""
    if version.paused:
        return
    start = max(after, version.valid_from - MILLISECOND)
    for slot in _unbounded_slots(version.schedule, start):
        if slot >= version.valid_to:
            return
        yield slot


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
