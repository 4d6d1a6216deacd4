"""Durations as Go and Kubernetes write them: `500ms`, `60s`, `5m`, `1h30m`."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
MAXIMUM_DURATION_LENGTH: Final = 20
_REMEDY: Final = "must be a duration such as 500ms, 60s, 5m or 1h30m"
_PART = re.compile(r"([0-9]+)(?:\.([0-9]+))?(ms|s|m|h)")
_UNITS: Final[Mapping[str, timedelta]] = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def parse_duration(text: str) -> timedelta:
    """The duration; what is shorter than a microsecond is cut off. Raises ValueError, also for what is too long."""
    if len(text) > MAXIMUM_DURATION_LENGTH or not re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(_REMEDY)
    try:
        return sum((_read(*match.groups(default="")) for match in _PART.finditer(text)), timedelta())
    except OverflowError:
        raise ValueError(_REMEDY) from None


def _read(whole: str, fraction: str, unit: str) -> timedelta:
    # In integers, as a fraction of floats would not come back from text as it was.
    scale: int = 10 ** len(fraction)
    return int(whole + fraction) * _UNITS[unit] // scale


def format_duration(duration: timedelta) -> str:
    """The shortest text, with the largest units first: `1h30m`, `0s`. Raises ValueError for a negative duration."""
    if duration < timedelta():
        raise ValueError("a duration must not be negative")
    parts, rest = [], duration
    for unit in ("h", "m"):
        count, rest = divmod(rest, _UNITS[unit])
        parts.append(f"{count}{unit}" if count else "")
    return "".join((*parts, _seconds(rest))) or "0s"


def _seconds(duration: timedelta) -> str:
    """What is less than a minute: `2s`, `1.5s`, `12ms`, `1.234ms`; nothing for zero."""
    if not duration:
        return ""
    unit, decimals = ("s", 6) if duration >= _UNITS["s"] else ("ms", 3)
    whole, rest = divmod(duration, _UNITS[unit])
    fraction = f"{rest // timedelta.resolution:0{decimals}d}".rstrip("0")
    return f"{whole}.{fraction}{unit}" if fraction else f"{whole}{unit}"
