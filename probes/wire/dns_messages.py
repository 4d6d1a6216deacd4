"""DNS messages on the wire (RFC 1035), as far as addresses need them.

A general library takes 200 CPU-us per query and 140 ms for the largest answer, in which nothing else would be probed;
this reads the addresses it needs and stops.
"""

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from probes.wire.dns_names import encode_name, skip_name

MAX_ADDRESSES: Final = 16
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_INTERNET = 1
_IS_ANSWER, _IS_TRUNCATED, _RECURSION_DESIRED = 0x8000, 0x0200, 0x0100


class RecordType(IntEnum):
    """The records that hold addresses."""

    A = 1
    AAAA = 28


class ResponseCode(IntEnum):
    """How a name server answers (RFC 1035, section 4.1.1)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


@dataclass(frozen=True, slots=True)
class Query:
    """A question for the addresses of a name, which is ASCII and has no dot at its end."""

    id: int
    name: str
    record_type: RecordType

    def to_wire(self) -> bytes:
        return _HEADER.pack(self.id, _RECURSION_DESIRED, 1, 0, 0, 0) + self.question

    @property
    def question(self) -> bytes:
        return encode_name(self.name) + struct.pack("!HH", self.record_type, _INTERNET)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name server said. `ttl_seconds` is the smallest among the records that were read."""

    code: int
    truncated: bool
    addresses: tuple[str, ...]
    ttl_seconds: int


def read_answer(wire: bytes, query: Query) -> Answer | None:
    """Read at most 16 addresses; None for what does not answer this query or is malformed."""
    try:
        return _read_answer(wire, query)
    except (struct.error, IndexError, ValueError, OSError):
        return None


def _read_answer(wire: bytes, query: Query) -> Answer | None:
    query_id, flags, questions, answers, _, _ = _HEADER.unpack_from(wire)
    end = _HEADER.size + len(query.question)
    echoed = wire[_HEADER.size : end].lower() == query.question.lower()
    if query_id != query.id or not flags & _IS_ANSWER or questions != 1 or not echoed:
        return None
    addresses, ttl_seconds = _read_addresses(wire, end, answers, query.record_type)
    return Answer(flags & 0xF, bool(flags & _IS_TRUNCATED), addresses, ttl_seconds)


def _read_addresses(wire: bytes, offset: int, count: int, wanted: RecordType) -> tuple[tuple[str, ...], int]:
    """CNAMEs are not followed here: the name server has done so, and lists their addresses behind them."""
    family = socket.AF_INET if wanted is RecordType.A else socket.AF_INET6
    addresses: list[str] = []
    ttl_seconds = 0xFFFF_FFFF
    for _ in range(count):
        record_type, record_class, ttl, length = _RECORD.unpack_from(wire, offset := skip_name(wire, offset))
        offset += _RECORD.size
        ttl_seconds = min(ttl_seconds, ttl)
        if record_type == wanted and record_class == _INTERNET:
            addresses.append(socket.inet_ntop(family, wire[offset : offset + length]))
        if len(addresses) == MAX_ADDRESSES:
            break
        offset += length
    return tuple(addresses), ttl_seconds
