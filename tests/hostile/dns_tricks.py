"""What a name server may do to who asks it."""

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tests.hostile.tricks import ADDRESS, BLOCK, CA, PORT, Datagrams, Talk, Trick, floods, only, silent
from tocsin.domain.observations import Reason

ANSWER, CUT_OFF = 0x8180, 0x8380
A, CNAME = 1, 5
NAME_OF_QUESTION: Final = b"\xc0\x0c"
MOST_BYTES: Final = 65_535


def record(kind: int, data: bytes, name: bytes = NAME_OF_QUESTION) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def reply(
    query: bytes, *records: bytes, count: int | None = None, flags: int = ANSWER, number: int | None = None
) -> bytes:
    """An answer to the query that may announce another count of records than it has."""
    query_id = int.from_bytes(query[:2]) if number is None else number
    end = query.index(b"\0", 12) + 5
    counts = (1, len(records) if count is None else count, 0, 0)
    return struct.pack("!HHHHHH", query_id, flags, *counts) + query[12:end] + b"".join(records)


def answers(*records: bytes, count: int | None = None) -> Datagrams:
    return lambda query: [reply(query, *records, count=count)]


def cut_off(query: bytes) -> Iterable[bytes]:
    """Sends whoever asks to TCP."""
    return [reply(query, flags=CUT_OFF)]


def over_tcp(make: Callable[[bytes], bytes]) -> Talk:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        query = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        wire = make(query)
        writer.write(len(wire).to_bytes(2) + wire)
        await asyncio.Event().wait()

    return talk


def many(query: bytes) -> bytes:
    """As many records as a message holds, announced as ten times as many, and no address."""
    wire = reply(query, *[record(16, b"")] * 5_000, count=65_535)
    return wire[:MOST_BYTES]


async def drips_over_tcp(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(512)
    writer.write(b"\xff\xff")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


def forged(query: bytes) -> Iterable[bytes]:
    """Answers to other questions, among them none to this one."""
    right = int.from_bytes(query[:2])
    return [reply(query, record(A, b"\x7f\0\0\1"), number=(right + offset) % 65_536) for offset in range(1, 2_000)]


def of_host(**fields: Any) -> Mapping[str, Any]:
    return {"host": "victim.test", "port": PORT, **fields}


_DNS = only(Reason.DNS)
_ENDED = only(Reason.DNS, Reason.TIMEOUT)
_BLOCKED = only(Reason.TARGET_BLOCKED)
ALIAS: Final = b"\x05alias\x04test\x00"


def asked(transport: str = "UDP") -> Mapping[str, Any]:
    place = {"server": ADDRESS, "port": PORT, "transport": transport}
    return {"record_type": "TXT", "name": "victim.test", **place, "expected": ["never"]}


def asked_over_tls() -> Mapping[str, Any]:
    return {**asked("TLS"), "tls": {"ca": CA}}


_SAID = only(Reason.PROTOCOL, Reason.TIMEOUT, Reason.ASSERTION, Reason.STATUS, Reason.BODY_LIMIT, Reason.DNS)
QUESTIONS: Final[Mapping[str, tuple[str, Talk | None, Datagrams | None, frozenset[Reason | None]]]] = {
    "silence": ("UDP", None, lambda _: [], only(Reason.TIMEOUT)),
    "forged answers": ("UDP", None, forged, only(Reason.TIMEOUT, Reason.PROTOCOL)),
    "CNAME loop": ("UDP", None, answers(record(CNAME, NAME_OF_QUESTION)), _SAID),
    "name that points at itself": ("UDP", None, answers(record(16, b"\1a", b"\xc0\x1d")), _SAID),
    "pointers in a circle": ("UDP", None, answers(record(CNAME, b"\xc0\x29", b"\xc0\x1d")), _SAID),
    "endless name": ("UDP", None, answers(b"\x3f" + b"a" * 4000), _SAID),
    "record longer than its message": (
        "UDP",
        None,
        answers(NAME_OF_QUESTION + struct.pack("!HHIH", 16, 1, 60, 60_000)),
        _SAID,
    ),
    "texts without end": ("UDP", None, answers(record(16, b"\0" * 3000)), _SAID),
    "5,000 answers": ("TCP", over_tcp(many), None, _SAID),
    "cut off for ever": ("UDP", over_tcp(lambda query: reply(query, flags=CUT_OFF)), cut_off, _SAID),
    "by the byte over TCP": ("TCP", drips_over_tcp, None, _SAID),
    "endless over TCP": ("TCP", floods(b"", BLOCK), None, _SAID),
    "empty messages over TCP": ("TCP", floods(b"", bytes(60_000)), None, _SAID),
}
STREAMS: Final[Mapping[str, tuple[Talk, frozenset[Reason | None]]]] = {
    "silence": (silent, only(Reason.TIMEOUT)),
    "5,000 answers": (over_tcp(many), _SAID),
    "endless": (floods(b"", BLOCK), _SAID),
}
TRICKS: Final = (
    Trick("name server: silence", "tcp", of_host(), _ENDED, silent, lambda _: [], names=True),
    Trick("name server: 65,535 answers announced", "tcp", of_host(), _DNS, over_tcp(many), cut_off, names=True),
    Trick(
        "name server: CNAME loop", "tcp", of_host(), _DNS, None, answers(record(CNAME, NAME_OF_QUESTION)), names=True
    ),
    Trick(
        "name server: chain of aliases",
        "tcp",
        of_host(),
        _ENDED,
        None,
        answers(*[record(CNAME, ALIAS, ALIAS)] * 200),
        names=True,
    ),
    Trick(
        "name server: name that points at itself",
        "tcp",
        of_host(),
        _ENDED | only(Reason.CONNECT),
        None,
        answers(record(A, b"\x7f\0\0\1", b"\xc0\x1d")),
        names=True,
    ),
    Trick("name server: endless name", "tcp", of_host(), _ENDED, None, answers(b"\x3f" + b"a" * 4000), names=True),
    Trick(
        "name server: record longer than its message",
        "tcp",
        of_host(),
        _ENDED,
        None,
        answers(NAME_OF_QUESTION + struct.pack("!HHIH", A, 1, 60, 60_000)),
        names=True,
    ),
    Trick("name server: by the byte over TCP", "tcp", of_host(), _ENDED, drips_over_tcp, cut_off, names=True),
    Trick("name server: endless over TCP", "tcp", of_host(), _ENDED, floods(b"", BLOCK), cut_off, names=True),
    Trick(
        "name server: cut off for ever",
        "tcp",
        of_host(),
        _ENDED,
        over_tcp(lambda query: reply(query, flags=CUT_OFF)),
        cut_off,
        names=True,
    ),
    Trick("name server: forged answers", "tcp", of_host(), _ENDED, None, forged, names=True),
    Trick(
        "name server: inside",
        "tcp",
        of_host(),
        _BLOCKED,
        None,
        answers(record(A, b"\x7f\0\0\1")),
        names=True,
        only_public=True,
    ),
    Trick(
        "name server: CNAME to inside",
        "tcp",
        of_host(),
        _BLOCKED,
        None,
        answers(record(CNAME, ALIAS), record(A, b"\x7f\0\0\1", ALIAS)),
        names=True,
        only_public=True,
    ),
    Trick(
        "name server: a metadata service",
        "tcp",
        of_host(),
        _BLOCKED,
        None,
        answers(record(A, bytes((169, 254, 169, 254)))),
        names=True,
    ),
    *(
        Trick(f"DNS: {name}", "dns", asked(transport), reasons, talk, datagrams)
        for name, (transport, talk, datagrams, reasons) in QUESTIONS.items()
    ),
    *(
        Trick(f"DNS over TLS: {name}", "dns", asked_over_tls(), reasons, talk, certificate="usual")
        for name, (talk, reasons) in STREAMS.items()
    ),
    Trick(
        "UDP: silence",
        "udp",
        {"host": ADDRESS, "port": PORT, "send": "a", "expect": "never"},
        only(Reason.TIMEOUT),
        None,
        lambda _: [],
    ),
    Trick(
        "UDP: a thousand datagrams",
        "udp",
        {"host": ADDRESS, "port": PORT, "send": "a", "expect": "never"},
        only(Reason.PROTOCOL, Reason.ASSERTION),
        None,
        lambda _: [bytes(1400)] * 1000,
    ),
    Trick(
        "UDP: datagram of 64 KB",
        "udp",
        {"host": ADDRESS, "port": PORT, "send": "a", "expect": "(a+)+(a+)+b$", "expect_as": "PATTERN"},
        only(Reason.TIMEOUT, Reason.ASSERTION, Reason.BODY_LIMIT),
        None,
        lambda _: [b"a" * 65_000],
    ),
)
