"""Frames of HTTP/2, as a server that means harm sends them."""

from collections.abc import Iterable

from hpack import Encoder

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
NO_SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def block(headers: Iterable[tuple[str, str]]) -> bytes:
    """Headers, compressed."""
    encoded: bytes = Encoder().encode(list(headers))
    return encoded


def head(flags: int = END_HEADERS, status: str = "200") -> bytes:
    return frame(HEADERS, block([(":status", status), ("content-type", "text/plain")]), flags)
