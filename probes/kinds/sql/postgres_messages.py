"""The messages of PostgreSQL's protocol, read."""

import hashlib
from typing import Final

from probes.failures import ProbeFailure
from probes.kinds.sql.answers import MAX_COLUMNS, SqlError, Type
from tocsin.domain.observations import Reason

_TYPES: Final[dict[int, Type]] = {
    16: "boolean",
    **dict.fromkeys((20, 21, 23, 26, 700, 701, 1700), "number"),
    **dict.fromkeys((114, 3802), "json"),
}


def describe(body: bytes) -> tuple[tuple[str, ...], tuple[Type, ...]]:
    count = int.from_bytes(body[:2])
    if count > MAX_COLUMNS:
        raise ProbeFailure(Reason.BODY_LIMIT, f"the answer has more than {MAX_COLUMNS} columns; choose fewer")
    names, types, offset = [], [], 2
    for _ in range(count):
        end = body.find(b"\0", offset)
        if end < 0 or end + 19 > len(body):
            raise nonsense("no description of a row")
        names.append(body[offset:end].decode("utf-8", "replace"))
        types.append(_TYPES.get(int.from_bytes(body[end + 7 : end + 11]), "text"))
        offset = end + 19
    return tuple(names), tuple(types)


def values(body: bytes, count: int) -> list[bytes | None]:
    if int.from_bytes(body[:2]) != count:
        raise nonsense("no row")
    found: list[bytes | None] = []
    offset = 2
    for _ in range(count):
        length = int.from_bytes(body[offset : offset + 4], signed=True)
        offset += 4
        found.append(None if length < 0 else body[offset : offset + length])
        offset += max(length, 0)
    if offset != len(body):
        raise nonsense("no row")
    return found


def error(body: bytes) -> SqlError:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0", 30) if part}
    return SqlError(fields.get(b"C", "XX000"), fields.get(b"M", ""))


def md5(user: str, password: str, salt: bytes) -> bytes:
    inner = hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
    return b"md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest().encode()


def nonsense(what: str) -> ProbeFailure:
    return ProbeFailure(Reason.PROTOCOL, f"the server sends {what} of PostgreSQL's protocol")
