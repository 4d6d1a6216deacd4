"""WebSocket probes of websockets' own server, and of servers that mean harm."""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from base64 import b64encode
from contextlib import suppress
from datetime import timedelta
from hashlib import sha1
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.websocket import probe_websocket
from probes.runner import probe
from probes.trace import Trace
from probes.wire.web_sockets import WebSocket
from tests.probes.examples import example_target
from tests.probes.serving import Serve, read_request
from tests.servers.nginx import Nginx
from tests.servers.websocket import WebSocketServer
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.websocket import WebSocketTarget


async def observed(engine: Engine, url: str, seconds: float = 10, **fields: Any) -> Observation:
    return await probe(WebSocketTarget(url=url, **fields), timedelta(seconds=seconds), engine)


@pytest.mark.proves("websocket", "a real server")
@pytest.mark.proves("websocket", "TLS")
@pytest.mark.proves("websocket", "subprotocol")
@pytest.mark.proves("websocket", "send and expect")
async def test_the_example_that_passes_opens_and_answers(websocket_server: WebSocketServer, engine: Engine) -> None:
    tls = {"ca": websocket_server.credentials.ca}
    target = example_target("websocket-pass", "websocket", url=websocket_server.url("/echo", "wss"), tls=tls)
    observation = await probe(target, timedelta(seconds=10), engine)
    assert (observation.outcome, observation.message, observation.status_code) == (Outcome.SUCCESS, None, 101)


@pytest.mark.proves("websocket", "subprotocol")
async def test_the_example_that_fails_finds_no_subprotocol(websocket_server: WebSocketServer, engine: Engine) -> None:
    target = example_target("websocket-fail", "websocket", url=websocket_server.url())
    observation = await probe(target, timedelta(seconds=10), engine)
    message = "the server chose none of the subprotocols chat.v7"
    assert (observation.reason, observation.message) == (Reason.ASSERTION, message)


@pytest.mark.proves("websocket", "upgrade")
async def test_a_web_server_does_not_open_one(nginx: Nginx, engine: Engine) -> None:
    observation = await observed(engine, nginx.url())
    message = "expected 101, which opens a WebSocket, got 200"
    assert (observation.reason, observation.message) == (Reason.STATUS, message)


@pytest.mark.proves("websocket", "send and expect")
async def test_a_greeting_and_bytes_are_expected_in_their_order(
    websocket_server: WebSocketServer, engine: Engine
) -> None:
    steps = [{"expect": "hello"}, {"send_as": "HEX", "send": "00 ff", "expect_as": "HEX", "expect": "00ff"}]
    trace = Trace(timedelta(seconds=10))
    await probe_websocket(WebSocketTarget(url=websocket_server.url("/greeting"), steps=steps), engine, trace)
    assert (trace.facts[Source.STATUS], trace.facts[Source.SIZE]) == (101, 2)


async def test_a_server_that_says_nothing_is_awaited_until_the_timeout(
    websocket_server: WebSocketServer, engine: Engine
) -> None:
    observation = await observed(engine, websocket_server.url("/silent"), 0.5, steps=[{"expect": "x"}])
    assert (observation.reason, observation.message) == (Reason.TIMEOUT, "step 1: nothing came within 0.5 s")


async def test_a_message_that_is_not_the_expected_one_is_told_at_the_timeout(
    websocket_server: WebSocketServer, engine: Engine
) -> None:
    steps = [{"send": "hi", "expect": "hi"}, {"send": "VERSION 1", "expect": "VERSION 9"}]
    observation = await observed(engine, websocket_server.url("/echo"), 1, steps=steps)
    message = 'step 2: expected "VERSION 9" within 1 s, got 1 message of 9 bytes: "VERSION 1"'
    assert (observation.reason, observation.message) == (Reason.ASSERTION, message)


def opened(request: bytes) -> bytes:
    """The answer that opens a WebSocket."""
    [key] = re.findall(rb"(?i)sec-websocket-key: (\S+)", request)
    accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n"


async def talking(serve: Serve, *said: bytes, stay: bool = False, header: bytes = b"") -> str:
    """The URL of a server that opens a WebSocket and says these bytes, the first of them at once."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(opened(await read_request(reader)) + header + b"\r\n" + (said[0] if said else b""))
        for part in said[1:]:
            await writer.drain()
            writer.write(part)
        await writer.drain()
        if stay:
            await asyncio.Event().wait()

    return f"ws://127.0.0.1:{await serve(talk)}/"


EXPECTING = [{"expect": "never"}]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\x81\x05hello", Reason.PROTOCOL),
        (b"\x81\x05hello\x88\x02\x03\xe8", Reason.ASSERTION),
        (b"\x81\x02\xff\xff", Reason.PROTOCOL),
        (b"\xf1\x05hello", Reason.PROTOCOL),
        (b"\x81\x7f" + (2**40).to_bytes(8), Reason.BODY_LIMIT),
        (b"\x01\x00" + b"\x00\x00" * 3000, Reason.PROTOCOL),
        (b"\x89\x00" * 3000, Reason.PROTOCOL),
        ((b"\x82\x7e\xf0\x00" + bytes(0xF000)) * 20, Reason.BODY_LIMIT),
        (b"HTTP/1.1 200 OK\r\n\r\n", Reason.PROTOCOL),
    ],
)
async def test_nonsense_ends_a_probe_at_once(serve: Serve, engine: Engine, said: bytes, reason: Reason) -> None:
    observation = await observed(engine, await talking(serve, said, stay=len(said) > 30), steps=EXPECTING)
    assert (observation.reason, observation.outcome) == (reason, Outcome.FAILURE)


async def test_a_message_may_come_in_parts_with_pings_between(serve: Serve, engine: Engine) -> None:
    url = await talking(serve, b"\x01\x03nev", b"\x89\x00", b"\x80", b"\x02er", stay=True)
    assert (await observed(engine, url, steps=EXPECTING)).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    "header",
    [
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
        b"Sec-WebSocket-Protocol: other\r\n",
        b"Sec-WebSocket-Accept: AAAA\r\n",
    ],
)
async def test_what_nobody_asked_for_is_nonsense(serve: Serve, engine: Engine, header: bytes) -> None:
    assert (await observed(engine, await talking(serve, header=header))).reason is Reason.PROTOCOL


class Silence:
    """A connection on which nothing more comes."""

    def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes:
        return b""

    def abort(self) -> None: ...


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_end_the_probe(said: bytes) -> None:
    async def read() -> None:
        web_socket = WebSocket(Silence(), said)
        with suppress(ProbeFailure):
            while await web_socket.receive() is not None:
                pass
        web_socket.close()

    asyncio.run(read())
