"""One readable log of many processes."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from tocsin.console import console_line
from tocsin.logs import json_line, masked


class Log:
    """Writes what processes say, each line with the name of its process: for people, or as it came for machines."""

    def __init__(self, log_format: str = "console", output: TextIO | None = None) -> None:
        self._as_json = log_format == "json"
        self._output = output or sys.stdout

    def say(self, message: str, level: str = "info", **details: object) -> None:
        """Say something of the supervision itself."""
        self._write("up", {"timestamp": datetime.now(UTC).isoformat(), "level": level, "event": message, **details})

    def pass_on(self, process: str, line: bytes) -> None:
        """Write a line of a process: an event in JSON, or whatever else it said."""
        if text := line.decode(errors="replace").rstrip():
            self._write(process, _event(text) or {"level": "info", "event": masked(text)})

    def show(self, text: str) -> None:
        """Write text that is meant for a person alone, such as how to begin."""
        # Whoever read the log may be gone, as with `| head`, or the disk full: neither ends the platform.
        with suppress(OSError):
            self._output.write(text)
            self._output.flush()

    def _write(self, process: str, event: Mapping[str, Any]) -> None:
        named = {**event, "process": process}
        line = json_line(named) if self._as_json else console_line(named, colored=self._output.isatty())
        self.show(f"{line}\n")


def _event(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
