"""How an event of the log looks to a person: time, process, message, and the rest as key=value."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

NAME_WIDTH: Final = 10

# What has a place of its own in a line, or means nothing to a person.
_COLUMNS: Final = frozenset({"timestamp", "level", "event", "logger", "process", "exception", "stack"})
_DIM, _RED, _YELLOW, _PLAIN = "\033[2m", "\033[31m", "\033[33m", "\033[0m"
_COLORS: Final = {"warning": _YELLOW, "error": _RED, "critical": _RED}


def console_line(event: Mapping[str, Any], *, colored: bool) -> str:
    """The line of an event, followed by its traceback when there is one."""
    level = str(event.get("level", "info"))
    words = str(event.get("event", ""))
    # Names of events, such as planning_failed; not what a library says in a sentence.
    words = words.replace("_", " ") if words.isidentifier() else words
    details = " ".join(f"{key}={_value(value)}" for key, value in event.items() if key not in _COLUMNS)
    label = f"{level.upper()} " if level in _COLORS else ""
    text = _paint(f"{label}{words}", _COLORS.get(level), colored)
    head = f"{_paint(_local_time(event.get('timestamp')), _DIM, colored)} {event.get('process', ''):<{NAME_WIDTH}}"
    tail = f"  {_paint(details, _DIM, colored)}" if details else ""
    return "".join((f"{head} {text}{tail}", *_traceback(event)))


def _value(value: object) -> str:
    text = str(value)
    return repr(text) if any(character.isspace() for character in text) or not text else text


def _local_time(timestamp: object) -> str:
    with suppress(ValueError):
        return f"{datetime.fromisoformat(str(timestamp)).astimezone():%H:%M:%S}"
    return f"{datetime.now().astimezone():%H:%M:%S}"


def _paint(text: str, color: str | None, colored: bool) -> str:
    return f"{color}{text}{_PLAIN}" if colored and color else text


def _traceback(event: Mapping[str, Any]) -> list[str]:
    lines = f"{event.get('stack', '')}\n{event.get('exception', '')}".splitlines()
    return [f"\n    {line}" for line in lines if line]
