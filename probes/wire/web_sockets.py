"""WebSockets (RFC 6455): opened by our own HTTP exchange, spoken by websockets' protocol, which does no I/O itself."""

import asyncio
import logging
from base64 import b64encode
from collections import deque
from hashlib import sha1
from secrets import token_bytes
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Trace
from probes.wire.connection import ByteStream
from probes.wire.http_auth import exchange_as, require_welcome
from probes.wire.http_content import note_excerpt
from probes.wire.http_messages import HeaderLines, RawHeaders
from probes.wire.http_transport import Call, Http1Body, Reply
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http_auth import HttpAuth

CONNECTION: Final = b"Upgrade"
MAX_MESSAGE_BYTES: Final = 64 * 1024
# Of all that comes: a conversation that has not come to its point by then never does.
MAX_RECEIVED_BYTES: Final = 1024 * 1024
MAX_FRAMES: Final = 2_000
# Two bytes are a frame, and reading one takes up to 15 us; others get their turn after so many.
_BYTES_AT_A_TIME: Final = 512
_SWITCHING_PROTOCOLS: Final = 101
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# What it logs are the messages.
_SILENT: Final = logging.getLogger("probes.wire.web_sockets.frames")
_SILENT.disabled = True
_UNUSED: Final = WebSocketURI(False, "", 0, "", "")

Message = str | bytes


class WebSocket:
    """Sends and receives messages. `received_bytes` counts what has come of them."""

    def __init__(self, connection: ByteStream, begun: bytes = b"") -> None:
        self.received_bytes = 0
        self._connection = connection
        self._unread = begun
        self._frames = 0
        self._parts: list[bytes] = []
        self._is_text = True
        self._messages: deque[Message] = deque()
        self._protocol = ClientProtocol(_UNUSED, state=State.OPEN, max_size=MAX_MESSAGE_BYTES, logger=_SILENT)

    def send(self, message: Message) -> None:
        """Send a text, or bytes."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    async def receive(self) -> Message | None:
        """The next message; None when the server has closed the WebSocket.

        Raises ProbeFailure with PROTOCOL or BODY_LIMIT.
        """
        while not self._messages:
            if self._protocol.close_rcvd is not None:
                return None
            await self._advance()
        return self._messages.popleft()

    @property
    def close_code(self) -> int | None:
        """With which code the server closed it."""
        received = self._protocol.close_rcvd
        return None if received is None else int(received.code)

    def close(self) -> None:
        """Say goodbye, and do not wait for an answer."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
        self._connection.abort()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._connection.send(data)

    async def _advance(self) -> None:
        """Take a little of what has come, or wait for more."""
        if not self._unread:
            self._unread = await self._more()
        part, self._unread = self._unread[:_BYTES_AT_A_TIME], self._unread[_BYTES_AT_A_TIME:]
        self._protocol.receive_data(part)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._require_sense()
        self._flush()
        if self._unread:
            await asyncio.sleep(0)

    async def _more(self) -> bytes:
        try:
            data = await self._connection.receive()
        except OSError as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the connection of the WebSocket broke") from exc
        if not data:
            raise ProbeFailure(Reason.PROTOCOL, "the server closed the connection without closing the WebSocket")
        self.received_bytes += len(data)
        if self.received_bytes > MAX_RECEIVED_BYTES:
            raise ProbeFailure(Reason.BODY_LIMIT, f"more than {MAX_RECEIVED_BYTES // 1024} KiB came")
        return data

    def _take(self, frame: Frame) -> None:
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise ProbeFailure(Reason.PROTOCOL, "the server floods the WebSocket with frames")
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if frame.opcode is not Opcode.CONT:
                self._is_text = frame.opcode is Opcode.TEXT
            self._parts.append(bytes(frame.data))
            if frame.fin:
                self._messages.append(self._joined())

    def _joined(self) -> Message:
        content, self._parts = b"".join(self._parts), []
        try:
            return content.decode() if self._is_text else content
        except UnicodeDecodeError as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the server sent a text that is not UTF-8") from exc

    def _require_sense(self) -> None:
        error = self._protocol.parser_exc
        if isinstance(error, PayloadTooBig):
            raise ProbeFailure(Reason.BODY_LIMIT, f"a message exceeds {MAX_MESSAGE_BYTES // 1024} KiB") from error
        # It is not repeated, as it may quote what came.
        if error is not None and not isinstance(error, EOFError):
            raise ProbeFailure(Reason.PROTOCOL, "what the server sent are no frames of a WebSocket") from error


def opening_headers(subprotocols: tuple[str, ...]) -> RawHeaders:
    """What asks for a WebSocket, with a key of its own."""
    offered = [(b"Sec-WebSocket-Protocol", ", ".join(subprotocols).encode("ascii"))] if subprotocols else []
    key = b64encode(token_bytes(16))
    return [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Key", key), *offered]


def opening_url(url: str) -> str:
    """The URL of the request: ws stands for http, wss for https."""
    return f"http{url[2:]}" if url[:2].lower() == "ws" else url


async def open_web_socket(
    call: Call, auth: HttpAuth | None, subprotocols: tuple[str, ...], engine: Engine, trace: Trace
) -> WebSocket:
    """Open it by a request with `opening_headers`. The caller closes it.

    Raises ProbeFailure with STATUS or AUTHENTICATION where it is refused, and ASSERTION where no subprotocol is chosen.
    """
    reply = await exchange_as(auth, call, engine, trace)
    try:
        trace.facts[Source.STATUS] = reply.status_code
        trace.facts[Source.HEADER] = HeaderLines(reply.headers)
        await _require_switch(reply, auth, trace)
        return _opened(reply, subprotocols)
    except BaseException:
        reply.body.close()
        raise


async def _require_switch(reply: Reply, auth: HttpAuth | None, trace: Trace) -> None:
    if reply.status_code != _SWITCHING_PROTOCOLS:
        await note_excerpt(reply, trace)
        require_welcome(reply.status_code, auth)
        raise ProbeFailure(Reason.STATUS, f"expected 101, which opens a WebSocket, got {reply.status_code}")


def _opened(reply: Reply, subprotocols: tuple[str, ...]) -> WebSocket:
    headers = reply.response.headers
    key = reply.request.headers["Sec-WebSocket-Key"].encode("ascii")
    accepted = b64encode(sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    if headers.get("upgrade", "").lower() != "websocket" or headers.get("sec-websocket-accept") != accepted:
        raise ProbeFailure(Reason.PROTOCOL, "the server switched to something else than the WebSocket asked for")
    if "sec-websocket-extensions" in headers:
        raise ProbeFailure(Reason.PROTOCOL, "the server uses an extension that nobody offered")
    _require_subprotocol(headers.get("sec-websocket-protocol"), subprotocols)
    if not isinstance(reply.body, Http1Body):
        raise ProbeFailure(Reason.PROTOCOL, "a WebSocket is opened in HTTP/1.1 alone")
    return WebSocket(*reply.body.take_over())


def _require_subprotocol(chosen: str | None, offered: tuple[str, ...]) -> None:
    if chosen is None and offered:
        raise ProbeFailure(Reason.ASSERTION, f"the server chose none of the subprotocols {', '.join(offered)}")
    if chosen is not None and chosen not in offered:
        raise ProbeFailure(Reason.PROTOCOL, "the server chose a subprotocol that nobody offered")
