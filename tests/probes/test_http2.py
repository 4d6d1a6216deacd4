"""HTTP/2 with servers that mean harm, or know little of it."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.runner import probe
from probes.wire.http2 import Http2Exchange
from tests.probes.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    NO_SETTINGS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    frame,
    head,
)
from tests.probes.serving import Serve
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

TRAILERS = frame(HEADERS, block([("x", "y")]), END_HEADERS | END_STREAM)
HUGE_BLOCK = block([("x", "y" * 4000)]) + b"\xbe" * 10_000  # a header of 4 KB, and 10,000 references to it
STORMS = {
    "settings": frame(SETTINGS, stream=0) * 5000,
    "settings of ten thousand values": frame(SETTINGS, b"\0\x04\0\0\xff\xff" * 2700, stream=0) * 50,
    "pings": frame(PING, bytes(8), stream=0) * 5000,
    "windows": frame(WINDOW_UPDATE, b"\0\0\0\1", stream=0) * 5000,
    "priorities": frame(PRIORITY, bytes(5)) * 5000,
    "unknown frames": frame(99, b"x") * 5000,
    "interim responses": frame(HEADERS, block([(":status", "103")]), END_HEADERS) * 5000,
    "empty data": head() + frame(DATA) * 10_000,
    "continuations": head(flags=0) + frame(CONTINUATION) * 5000,
    "resets": frame(RST_STREAM, b"\0\0\0\2") * 5000,
    "resets of other streams": frame(RST_STREAM, b"\0\0\0\2", stream=3) * 5000,
    "pushes": frame(PUSH_PROMISE, b"\0\0\0\2", END_HEADERS) * 5000,
    "a frame that is too long": b"\xff\xff\xff\0\0\0\0\0\1",
    "a window that overflows": frame(WINDOW_UPDATE, b"\x7f\xff\xff\xff", stream=0) * 2,
    "padding longer than its frame": head() + frame(DATA, b"\xff", 8),
    "plain text": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "no status": frame(HEADERS, block([("x", "y")]), END_HEADERS),
    "a status of letters": frame(HEADERS, block([(":status", "abc")]), END_HEADERS),
    "capitals": frame(HEADERS, block([(":status", "200")]) + b"\x40\x01X\x01y", END_HEADERS),
    "a farewell": frame(GOAWAY, bytes(4) + b"\0\0\0\x0b", stream=0),
}


async def observed(serve: Serve, engine: Engine, *said: bytes, seconds: float = 5, **fields: Any) -> Observation:
    """What is seen of a server that says this after its settings, and then listens for as long as it is connected."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        for part in (NO_SETTINGS, *said):
            writer.write(part)
            await writer.drain()
        await reader.read()

    target = HttpTarget(url=f"http://127.0.0.1:{await serve(talk)}/", http_version="HTTP_2", **fields)
    return await probe(target, timedelta(seconds=seconds), engine)


@pytest.mark.parametrize("said", STORMS.values(), ids=STORMS)
async def test_a_storm_or_nonsense_ends_the_probe_at_once(serve: Serve, engine: Engine, said: bytes) -> None:
    observation = await observed(serve, engine, said)
    assert (observation.reason, observation.outcome) == (Reason.PROTOCOL, Outcome.FAILURE)


@pytest.mark.parametrize(
    "said",
    [
        frame(HEADERS, HUGE_BLOCK, END_HEADERS),
        head(flags=0) + frame(CONTINUATION, bytes(10_000)) * 3,
        head() + frame(HEADERS, HUGE_BLOCK, END_HEADERS | END_STREAM),
    ],
    ids=["a bomb", "a block without end", "a bomb in trailers"],
)
async def test_headers_are_bounded(serve: Serve, engine: Engine, said: bytes) -> None:
    assert (await observed(serve, engine, said)).reason is Reason.HEADER_LIMIT


@pytest.mark.parametrize("said", [b"", frame(SETTINGS, stream=0), head(), head() + frame(DATA, b"x"), head()[:20]])
async def test_a_response_that_never_ends_ends_at_the_timeout(serve: Serve, engine: Engine, said: bytes) -> None:
    observation = await observed(serve, engine, said, seconds=0.5)
    assert observation.reason is Reason.TIMEOUT
    assert observation.duration < timedelta(seconds=0.75)


async def test_a_response_is_read_though_the_server_says_farewell(serve: Serve, engine: Engine) -> None:
    farewell = frame(GOAWAY, b"\0\0\0\1\0\0\0\0", stream=0)
    said = (farewell, head(), frame(DATA, b"hello"), farewell, TRAILERS)
    assert (await observed(serve, engine, *said, body_contains="hello")).outcome is Outcome.SUCCESS


async def test_what_follows_the_response_does_not_matter(serve: Serve, engine: Engine) -> None:
    said = head() + TRAILERS * 2 + STORMS["pings"]
    assert (await observed(serve, engine, said)).outcome is Outcome.SUCCESS


async def test_a_reset_is_told_by_its_name(serve: Serve, engine: Engine) -> None:
    observation = await observed(serve, engine, frame(RST_STREAM, b"\0\0\0\7"))
    assert observation.message == "the server reset the stream: REFUSED_STREAM"


async def test_a_body_waits_until_the_server_takes_more(serve: Serve, engine: Engine) -> None:
    received = 0

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal received
        writer.write(frame(SETTINGS, b"\0\x04\0\0\x80\0", stream=0))
        while received < 60_000 + 4 * 9:
            received += len(await reader.read(65_536))
            writer.write(frame(WINDOW_UPDATE, b"\0\0\x40\0", stream=0) + frame(WINDOW_UPDATE, b"\0\0\x40\0"))
        writer.write(head(flags=END_HEADERS | END_STREAM))
        await reader.read()

    url = f"http://127.0.0.1:{await serve(talk)}/"
    target = HttpTarget(url=url, http_version="HTTP_2", method="POST", body="x" * 60_000)
    assert (await probe(target, timedelta(seconds=5), engine)).outcome is Outcome.SUCCESS


async def test_a_storm_holds_up_nobody_else(serve: Serve, engine: Engine) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.create_task(watch())
    for said in (STORMS["empty data"], STORMS["pings"], frame(HEADERS, HUGE_BLOCK, END_HEADERS)):
        await observed(serve, engine, said)
    watching.cancel()
    assert longest < 0.25


class Silence:
    """A connection on which this comes, and nothing more."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes:
        said, self._said = self._said, b""
        return said

    def abort(self) -> None: ...


FRAMES = st.builds(
    frame, st.integers(0, 12), st.binary(max_size=40), st.sampled_from([0, 1, 4, 5, 8, 0x20, 0xFF]), st.integers(0, 3)
)


@given(st.lists(FRAMES | st.just(head()) | st.just(TRAILERS) | st.binary(max_size=20), max_size=8))
def test_any_frames_are_a_response_or_end_the_probe(said: list[bytes]) -> None:
    async def read() -> None:
        exchange = Http2Exchange(Silence(NO_SETTINGS + b"".join(said)))
        with suppress(ProbeFailure):
            await exchange.send(
                [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")], b""
            )
            await exchange.read_head()
            while await exchange.read_some():
                pass

    asyncio.run(read())
