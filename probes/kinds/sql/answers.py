"""What a database answers, and how much of it is taken."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason
from tocsin.domain.targets.sql import MAX_ROWS

MAX_BYTES: Final = 256 * 1024
# A message costs a microsecond or two however short it is, and many come at once.
MAX_MESSAGES: Final = 2 * MAX_ROWS
MAX_COLUMNS: Final = 100
_ROWS_AT_ONCE: Final = 25


class Budget:
    """What a server may still send: it decides how much it says, so it is cut off rather than believed."""

    def __init__(self) -> None:
        self._bytes_left = MAX_BYTES
        self._messages_left = MAX_MESSAGES

    def spend(self, size_bytes: int) -> None:
        """Take one message of this announced size. Raises ProbeFailure with BODY_LIMIT."""
        self._bytes_left -= size_bytes
        self._messages_left -= 1
        if self._bytes_left < 0 or self._messages_left < 0:
            raise ProbeFailure(
                Reason.BODY_LIMIT,
                f"the server sends more than {MAX_BYTES // 1024} KiB or {MAX_ROWS} rows; have the query choose fewer",
            )


class SqlError(Exception):
    """The server refused something. `state` is the SQLSTATE, `code` a number of MySQL's own, else 0."""

    def __init__(self, state: str, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.state, self.message, self.code = state, message, code


@dataclass(slots=True)
class Answer:
    """The rows of a query, each value as JSON has it. `first_text` is the first value as the server wrote it."""

    columns: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    size_bytes: int = 0
    first_text: str | None = None

    def add(self, values: list[bytes | None], types: tuple["Type", ...]) -> None:
        """Take a row. Raises ProbeFailure with BODY_LIMIT when there are too many."""
        if len(self.rows) == MAX_ROWS:
            raise ProbeFailure(
                Reason.BODY_LIMIT, f"the answer has more than {MAX_ROWS} rows; have the query limit them"
            )
        if not self.rows and values and values[0] is not None:
            self.first_text = values[0].decode("utf-8", "replace")
        self.size_bytes += sum(len(value) for value in values if value is not None)
        self.rows.append(tuple(map(_as_json, values, types)))

    async def take(self, values: list[bytes | None], types: tuple["Type", ...]) -> None:
        """As `add`, but others get their turn between rows that have all come at once."""
        self.add(values, types)
        if len(self.rows) % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)

    def as_objects(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


Type = str
"""What a column's texts stand for: number, boolean, json or text."""


def _as_json(value: bytes | None, kind: Type) -> object:
    if value is None:
        return None
    text = value.decode("utf-8", "replace")
    if kind == "boolean":
        return text == "t"
    # Numbers are read as JSON too, which bounds them; what is none, as NaN, stays text.
    return _parsed(value, text) if kind in ("number", "json") else text


def _parsed(value: bytes, text: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return text


def needed(password: str | None) -> str:
    if password is None:
        raise ProbeFailure(Reason.AUTHENTICATION, "the server wants a password, and the check has none")
    return password
