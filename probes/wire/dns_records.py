"""DNS messages with records of any type that checks ask for, read in bounded time.

A general library takes 140 ms for the largest answer. This one reads the heads of 512 records at most, and the content
of 100 of those that are asked for, and of 30 of the authority section.
"""

import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from probes.wire.dns_names import encode_name, read_name, skip_name
from tocsin.domain.targets.dns import RecordType

MAX_RECORDS: Final = 100
_MAX_HEADS: Final = 512
_MAX_AUTHORITY: Final = 30
_HEADER: Final = struct.Struct("!HHHHHH")
_RECORD: Final = struct.Struct("!HHIH")
_INTERNET: Final = 1
_EDNS: Final = 41
_IS_ANSWER, _IS_AUTHORITATIVE, _IS_TRUNCATED, _RECURSION_DESIRED = 0x8000, 0x0400, 0x0200, 0x0100
TYPES: Final[Mapping[RecordType, int]] = {
    RecordType.A: 1,
    RecordType.NS: 2,
    RecordType.CNAME: 5,
    RecordType.SOA: 6,
    RecordType.PTR: 12,
    RecordType.MX: 15,
    RecordType.TXT: 16,
    RecordType.AAAA: 28,
    RecordType.SRV: 33,
    RecordType.CAA: 257,
}
CODES: Final = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}


class MalformedMessageError(Exception):
    """An answer to the question that cannot be read."""


class TooManyRecordsError(Exception):
    """An answer of more records than are read."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `edns_bytes` is the largest answer over UDP; without it, EDNS is not spoken."""

    id: int
    name: str
    record_type: RecordType
    recursion: bool = True
    edns_bytes: int | None = None

    def to_wire(self) -> bytes:
        flags = _RECURSION_DESIRED if self.recursion else 0
        extra = b"" if self.edns_bytes is None else b"\0" + _RECORD.pack(_EDNS, self.edns_bytes, 0, 0)
        return _HEADER.pack(self.id, flags, 1, 0, 0, 1 if extra else 0) + self.section + extra

    @property
    def section(self) -> bytes:
        return encode_name(self.name) + struct.pack("!HH", TYPES[self.record_type], _INTERNET)


@dataclass(frozen=True, slots=True)
class Record:
    """A record by the type's number; `text` is its content in presentation format."""

    type: int
    ttl_seconds: int
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """An answer: the records of the type asked for, and those of the authority section that can be read."""

    code: str
    authoritative: bool
    answers: tuple[Record, ...]
    authority: tuple[Record, ...]


def answers(wire: bytes, question: Question) -> bool:
    """Whether these bytes answer this question and no other."""
    if len(wire) < _HEADER.size:
        return False
    number, flags, questions, *_ = _HEADER.unpack_from(wire)
    section = question.section
    # Errors may come without the question.
    echoed = questions == 0 or wire[_HEADER.size : _HEADER.size + len(section)].lower() == section.lower()
    return number == question.id and bool(flags & _IS_ANSWER) and questions <= 1 and echoed


def is_truncated(wire: bytes) -> bool:
    """Whether the rest of an answer must be asked for over TCP."""
    return bool(int.from_bytes(wire[2:4]) & _IS_TRUNCATED)


def read_message(wire: bytes, question: Question) -> Message:
    """Read an answer to the question. Raises MalformedMessageError or TooManyRecordsError."""
    try:
        return _read(wire, question)
    except (struct.error, IndexError, ValueError, OSError) as exc:
        raise MalformedMessageError from exc


def _read(wire: bytes, question: Question) -> Message:
    _, flags, questions, answered, authority, _ = _HEADER.unpack_from(wire)
    offset = _HEADER.size + (len(question.section) if questions else 0)
    if answered + authority > _MAX_HEADS:
        raise TooManyRecordsError
    wanted = {TYPES[question.record_type]}
    found, offset = _read_section(wire, offset, answered, wanted)
    others, _ = _read_section(wire, offset, min(authority, _MAX_AUTHORITY), set(_READERS))
    code = flags & 0xF
    return Message(
        code=CODES.get(code, f"code {code}"),
        authoritative=bool(flags & _IS_AUTHORITATIVE),
        answers=found,
        authority=others,
    )


def _read_section(wire: bytes, offset: int, count: int, wanted: set[int]) -> tuple[tuple[Record, ...], int]:
    records: list[Record] = []
    for _ in range(count):
        offset = skip_name(wire, offset)
        record_type, record_class, ttl, length = _RECORD.unpack_from(wire, offset)
        offset += _RECORD.size
        if record_type in wanted and record_class == _INTERNET:
            if len(records) == MAX_RECORDS:
                raise TooManyRecordsError
            records.append(Record(record_type, ttl, _read_content(wire, offset, length, record_type)))
        offset += length
    return tuple(records), offset


def _read_content(wire: bytes, offset: int, length: int, record_type: int) -> str:
    if offset + length > len(wire):
        raise ValueError("a record that is cut off")
    return _READERS[record_type](wire, offset, length)


def _address(family: socket.AddressFamily) -> Callable[[bytes, int, int], str]:
    return lambda wire, offset, length: socket.inet_ntop(family, wire[offset : offset + length])


def _name(wire: bytes, offset: int, _: int) -> str:
    return read_name(wire, offset)[0]


def _numbers_and_name(count: int) -> Callable[[bytes, int, int], str]:
    def read(wire: bytes, offset: int, _: int) -> str:
        numbers = struct.unpack_from(f"!{count}H", wire, offset)
        return " ".join((*map(str, numbers), read_name(wire, offset + 2 * count)[0]))

    return read


def _soa(wire: bytes, offset: int, _: int) -> str:
    primary, offset = read_name(wire, offset)
    mailbox, offset = read_name(wire, offset)
    return " ".join((primary, mailbox, *map(str, struct.unpack_from("!5I", wire, offset))))


def _txt(wire: bytes, offset: int, length: int) -> str:
    """The text of all strings, joined: where a long one was cut means nothing."""
    end, parts = offset + length, []
    while offset < end:
        parts.append(wire[offset + 1 : min(offset + 1 + wire[offset], end)])
        offset += 1 + wire[offset]
    return _readable(b"".join(parts))


def _caa(wire: bytes, offset: int, length: int) -> str:
    flags, size = wire[offset], wire[offset + 1]
    tag = wire[offset + 2 : offset + 2 + size]
    value = wire[offset + 2 + size : offset + length]
    return f'{flags} {_readable(tag)} "{_readable(value)}"'


def _readable(content: bytes) -> str:
    """UTF-8, as which texts are written today; PostgreSQL stores no NUL."""
    return content.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


_READERS: Final[Mapping[int, Callable[[bytes, int, int], str]]] = {
    TYPES[RecordType.A]: _address(socket.AF_INET),
    TYPES[RecordType.AAAA]: _address(socket.AF_INET6),
    TYPES[RecordType.CNAME]: _name,
    TYPES[RecordType.NS]: _name,
    TYPES[RecordType.PTR]: _name,
    TYPES[RecordType.MX]: _numbers_and_name(1),
    TYPES[RecordType.SRV]: _numbers_and_name(3),
    TYPES[RecordType.SOA]: _soa,
    TYPES[RecordType.TXT]: _txt,
    TYPES[RecordType.CAA]: _caa,
}
