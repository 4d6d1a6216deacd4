"""What a WebSocket server may do to a client, and a GraphQL subscription on it."""

import base64
import hashlib
import re
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Any, Final

from tests.hostile.http_tricks import OK
from tests.hostile.tricks import ADDRESS, BLOCK, PORT, Talk, Trick, drips, floods, only, says, silent
from tocsin.domain.observations import Reason

TEXT, BINARY, CLOSE, PING, CONTINUATION = 1, 2, 8, 9, 0
LAST: Final = 0x80
_KEY = re.compile(rb"sec-websocket-key: *(\S+)", re.IGNORECASE)
_PROTOCOL = re.compile(rb"sec-websocket-protocol: *([^\r, ]+)", re.IGNORECASE)
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(kind: int, payload: bytes, length: int | None = None, first: int = LAST) -> bytes:
    """A frame that may announce another length than it has."""
    size = len(payload) if length is None else length
    if size < 126:
        return bytes((first | kind, size)) + payload
    return bytes((first | kind, 127)) + struct.pack("!Q", size) + payload


def upgrades(head: bytes, block: bytes = b"") -> Talk:
    """Opens the WebSocket as it is asked to, says something, and repeats a block without end."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(accepted(await reader.readuntil(b"\r\n\r\n")))
        await (floods(head, block, first=True) if block else says(head, stay=True))(reader, writer)

    return talk


def accepted(request: bytes) -> bytes:
    key = _KEY.search(request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    protocol = _PROTOCOL.search(request)
    chosen = b"Sec-WebSocket-Protocol: " + protocol[1] + b"\r\n" if protocol else b""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n" + chosen + b"\r\n"


def websocket() -> Mapping[str, Any]:
    return {"url": f"ws://{ADDRESS}:{PORT}/", "steps": [{"send": "hello", "expect": "never"}]}


def subscription() -> Mapping[str, Any]:
    return {"url": f"http://{ADDRESS}:{PORT}/", "query": "subscription { news }", "subscription": {}}


def graphql() -> Mapping[str, Any]:
    return {"url": f"http://{ADDRESS}:{PORT}/", "query": "{ news }"}


def answered(body: bytes) -> bytes:
    return OK + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


_ENDED = only(Reason.TIMEOUT, Reason.PROTOCOL, Reason.BODY_LIMIT, Reason.ASSERTION)
_REFUSED = only(Reason.PROTOCOL, Reason.BODY_LIMIT)
TALKS: Final = {
    "silence": (silent, only(Reason.TIMEOUT)),
    "silence after the upgrade": (upgrades(b""), only(Reason.TIMEOUT)),
    "no upgrade": (says(OK + b"Content-Length: 0\r\n\r\n"), only(Reason.STATUS, Reason.PROTOCOL)),
    "wrong key": (
        says(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            stay=True,
        ),
        only(Reason.PROTOCOL),
    ),
    "endless headers": (
        floods(b"HTTP/1.1 101 Switching Protocols\r\n", b"X: y\r\n" * 10_000),
        only(Reason.HEADER_LIMIT, Reason.PROTOCOL),
    ),
    "frame of 2^63": (upgrades(frame(TEXT, b"", 2**63 - 1), BLOCK), _REFUSED),
    "frame of 2^64": (upgrades(frame(TEXT, b"", 2**64 - 1), BLOCK), _REFUSED),
    "frame of a gigabyte": (upgrades(frame(TEXT, b"", 2**30), BLOCK), _REFUSED),
    "endless fragments": (upgrades(frame(TEXT, b"x", first=0), frame(CONTINUATION, b"x", first=0) * 5000), _ENDED),
    "endless empty fragments": (
        upgrades(frame(TEXT, b"", first=0), frame(CONTINUATION, b"", first=0) * 10_000),
        _ENDED,
    ),
    "endless messages": (upgrades(b"", frame(TEXT, b"x") * 10_000), _ENDED),
    "endless empty messages": (upgrades(b"", frame(TEXT, b"") * 10_000), _ENDED),
    "endless pings": (upgrades(b"", frame(PING, b"x" * 125) * 1000), _ENDED),
    "ping of 16 KB": (upgrades(frame(PING, bytes(16_000))), _REFUSED),
    "frames by the byte": (upgrades(b"", b"\x81"), _ENDED),
    "closes": (upgrades(frame(CLOSE, b"\x03\xe8bye")), only(Reason.PROTOCOL, Reason.ASSERTION, Reason.STATUS)),
    "no text in a text": (upgrades(frame(TEXT, b"\xff\xfe")), _ENDED),
    "unknown opcodes": (upgrades(b"", frame(5, b"x") * 1000), only(Reason.PROTOCOL)),
    "reserved bits": (upgrades(frame(TEXT, b"x", first=0xF0)), only(Reason.PROTOCOL)),
}
DEEP: Final = b"[" * 500_000
ANSWERS: Final = {
    "JSON 500,000 deep": (says(answered(DEEP)), only(Reason.ASSERTION, Reason.PROTOCOL, Reason.BODY_LIMIT)),
    "objects 100,000 deep": (
        says(answered(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)),
        only(Reason.ASSERTION, Reason.PROTOCOL, Reason.BODY_LIMIT),
    ),
    "JSON of 5 MB": (
        floods(OK + b"Content-Type: application/json\r\n\r\n" + b'{"data": "', b"x" * 65_536),
        only(Reason.BODY_LIMIT),
    ),
    "a million errors": (
        says(answered(b'{"errors": [' + b'{"message": "x"},' * 50_000 + b"{}]}")),
        only(Reason.ASSERTION, Reason.BODY_LIMIT),
    ),
    "numbers without end": (
        says(answered(b'{"data": ' + b"9" * 900_000 + b"}")),
        only(Reason.ASSERTION, Reason.PROTOCOL, Reason.BODY_LIMIT, None),
    ),
    "slow body": (drips(OK + b"\r\n", b"x"), only(Reason.TIMEOUT)),
}

TRICKS: Final = (
    *(Trick(f"WebSocket: {name}", "websocket", websocket(), reasons, talk) for name, (talk, reasons) in TALKS.items()),
    *(
        Trick(f"subscription: {name}", "graphql", subscription(), reasons, talk)
        for name, (talk, reasons) in TALKS.items()
    ),
    *(Trick(f"GraphQL: {name}", "graphql", graphql(), reasons, talk) for name, (talk, reasons) in ANSWERS.items()),
)
