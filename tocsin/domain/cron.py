"""Cron expressions: the instants they name, and what is refused."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import dropwhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MAXIMUM_CRON_LENGTH = 100
# No clock has ever been set back by more in one go.
_LONGEST_REPEAT = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
# They mean another zone on each machine, or none.
_NOT_TIME_ZONES = frozenset({"Factory", "localtime"})
_FIELD_REMEDIES = {
    "minute": "write 0 to 59",
    "hour": "write 0 to 23",
    "day-of-month": "write 1 to 31 or L for the last day, and a day that the month has",
    "month": "write 1 to 12 or JAN to DEC",
    "day-of-week": "write 0 to 7 or SUN to SAT, 5#2 for the second Friday, 5L for the last",
}


@dataclass(frozen=True, slots=True)
class Cron:
    """The instants of a five-field cron expression in an IANA time zone."""

    expression: str
    time_zone: str


def cron_instants(cron: Cron, after: datetime) -> Iterator[datetime]:
    """The instants strictly after `after`, in order, in UTC. Around a change of the clocks they are Debian cron's.

    Fixed times, as in `30 2 * * *`: those that the change skips are due once, at the change; those that it repeats are
    due the first time only. Where minute or hour starts with `*`, the clock is followed: what it skips is not due,
    what it shows twice is due twice.
    """
    zone = ZoneInfo(cron.time_zone)
    wall_times = CronSim(cron.expression, _wall_time_before(after, zone))
    instants = _each_once(wall_times, zone) if _is_fixed(cron.expression) else _each_time_shown(wall_times, zone)
    return dropwhile(lambda instant: instant <= after, instants)


def _is_fixed(expression: str) -> bool:
    minute, hour, *_ = expression.split()
    return not minute.startswith("*") and not hour.startswith("*")


def _wall_time_before(after: datetime, zone: ZoneInfo) -> datetime:
    """The clocks show no wall time up to this one (without a zone) at an instant later than `after`."""
    now, later = (instant.astimezone(zone).replace(tzinfo=None) for instant in (after, after + _LONGEST_REPEAT))
    return min(now, later - _LONGEST_REPEAT)


def _shown(wall_time: datetime, zone: ZoneInfo) -> list[datetime]:
    """When clocks show the wall time: never if a change skips it, twice if it repeats it."""
    first, second = (wall_time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:
        return []
    return [first] if first == second else [first, second]


def _each_once(wall_times: Iterator[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    served = datetime.min  # noqa: DTZ901 (a wall time has no zone)
    for wall_time in wall_times:
        if wall_time <= served:  # the change that skipped it was due already
            continue
        served = wall_time
        while not (shown := _shown(served, zone)):
            served += _MINUTE
        yield shown[0]


def _each_time_shown(wall_times: Iterator[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    repeats = deque[datetime]()
    for wall_time in wall_times:
        shown = _shown(wall_time, zone)
        while shown and repeats and repeats[0] < shown[0]:
            yield repeats.popleft()
        yield from shown[:1]
        repeats.extend(shown[1:])


def validate_cron(expression: str) -> str:
    """Return the expression with single spaces. Raises ValueError for what is no cron expression or never due."""
    if len(expression) > MAXIMUM_CRON_LENGTH:
        raise ValueError(f"must have at most {MAXIMUM_CRON_LENGTH} characters; write ranges and steps, such as 0-30/5")
    fields = expression.split()
    if len(fields) != len(_FIELD_REMEDIES):
        raise ValueError("must have five fields: minute, hour, day of month, month, day of week, as in */5 * * * *")
    normal = " ".join(fields)
    if _first_wall_time(normal) is None:
        raise ValueError("is never due; name a day that exists in its months")
    return normal


def _first_wall_time(expression: str) -> datetime | None:
    try:
        return next(CronSim(expression, datetime(2000, 1, 1)), None)  # noqa: DTZ001 (a wall time has no zone)
    except CronSimError as exc:
        field = str(exc).removeprefix("Bad ")
        raise ValueError(f"has a bad {field}; {_FIELD_REMEDIES.get(field, 'see man 5 crontab')}") from exc


def validate_time_zone(name: str) -> str:
    """Return the name. Raises ValueError for what is no time zone of the IANA database, in its exact spelling."""
    if name not in _time_zones():
        raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin or UTC")
    return name


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_TIME_ZONES
