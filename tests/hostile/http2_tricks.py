"""What an HTTP/2 server may do to a client, and a gRPC server with it."""

import struct
from collections.abc import Mapping
from typing import Any, Final

from tests.hostile.tricks import ADDRESS, CA, PORT, Trick, floods, only, says, silent
from tocsin.domain.observations import Reason

DATA, HEADERS, RESET, SETTINGS, PUSH, PING, GO_AWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
STATUS_200: Final = b"\x88"
# A literal that is put into the table, and then named again and again: a byte each.
BOMB: Final = b"\x40\x01a\x7f\x80\x1e" + b"b" * 4000


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!IBBI", len(payload), kind, flags, stream)[1:] + payload


def http2(**fields: Any) -> Mapping[str, Any]:
    place = {"url": f"https://{ADDRESS}:{PORT}/", "http_version": "HTTP_2", "tls": {"ca": CA}}
    return {**place, "body_contains": "never", **fields}


def grpc() -> Mapping[str, Any]:
    return {"host": ADDRESS, "port": PORT}


HELLO: Final = frame(SETTINGS, 0, 0)
ANSWER: Final = HELLO + frame(HEADERS, END_HEADERS, 1, STATUS_200)
_ENDED: Final = only(
    Reason.TIMEOUT, Reason.PROTOCOL, Reason.HEADER_LIMIT, Reason.BODY_LIMIT, Reason.ASSERTION, Reason.STATUS
)
FLOODS: Final = {
    "settings": (b"", frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 65_535)) * 2000),
    "empty settings": (b"", frame(SETTINGS, 0, 0) * 4000),
    "settings of 16 KB": (b"", frame(SETTINGS, 0, 0, struct.pack("!HI", 3, 1) * 2700)),
    "pings": (HELLO, frame(PING, 0, 0, bytes(8)) * 3000),
    "window updates": (HELLO, frame(WINDOW, 0, 0, struct.pack("!I", 1)) * 4000),
    "window overflow": (HELLO, frame(WINDOW, 0, 1, struct.pack("!I", 2**31 - 1)) * 4),
    "continuations": (HELLO + frame(HEADERS, 0, 1, STATUS_200), frame(CONTINUATION, 0, 1, b"") * 6000),
    "continuations of headers": (
        HELLO + frame(HEADERS, 0, 1, STATUS_200),
        frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 3000),
    ),
    "resets": (HELLO, frame(RESET, 0, 3, bytes(4)) * 4000),
    "pushes": (HELLO, frame(PUSH, END_HEADERS, 1, struct.pack("!I", 2) + STATUS_200) * 1000),
    "empty data": (ANSWER, frame(DATA, 0, 1) * 6000),
    "padding": (ANSWER, frame(DATA, 8, 1, b"\xff" + bytes(255)) * 200),
    "data": (ANSWER, frame(DATA, 0, 1, bytes(16_000)) * 4),
    "headers": (HELLO, frame(HEADERS, END_HEADERS, 1, STATUS_200) * 3000),
    "unknown frames": (HELLO, frame(0x42, 0, 0, bytes(100)) * 500),
    "header table bomb": (
        HELLO,
        frame(HEADERS, 0, 1, STATUS_200 + BOMB) + frame(CONTINUATION, END_HEADERS, 1, b"\xbe" * 16_000),
    ),
}

TRICKS: Final = (
    *(
        Trick(f"HTTP/2: {name}", "http", http2(), _ENDED, floods(head, block, first=True), certificate="usual")
        for name, (head, block) in FLOODS.items()
    ),
    Trick("HTTP/2: silence", "http", http2(), only(Reason.TIMEOUT), silent, certificate="usual"),
    Trick(
        "HTTP/2: frame of 16 MB",
        "http",
        http2(),
        _ENDED,
        says(HELLO + struct.pack("!IBBI", 0xFFFFFF, 0, 0, 1)[1:], stay=True),
        certificate="usual",
    ),
    Trick(
        "HTTP/2: goes away", "http", http2(), _ENDED, says(HELLO + frame(GO_AWAY, 0, 0, bytes(8))), certificate="usual"
    ),
    *(
        Trick(f"gRPC: {name}", "grpc", grpc(), _ENDED, floods(head, block, first=True))
        for name, (head, block) in FLOODS.items()
    ),
    Trick(
        "gRPC: message of 4 GB",
        "grpc",
        grpc(),
        _ENDED,
        floods(ANSWER + frame(DATA, 0, 1, b"\0\xff\xff\xff\xff"), frame(DATA, 0, 1, bytes(16_000)), first=True),
    ),
)
