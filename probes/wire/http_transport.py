"""One HTTP exchange on a connection of its own.

httpx provides the vocabulary; its stock transport would cost twenty times the CPU of this one. There is no pool:
a probe that reuses a connection does not see that new ones fail.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

import httpx

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.http2 import Http2Exchange
from probes.wire.http_messages import (
    RawHeaders,
    ResponseParser,
    http2_headers,
    port_of,
    serialize_for_proxy,
    serialize_request,
)
from probes.wire.routes import HTTP_2, USUAL_ROUTE, Route, asks_proxy, connect, require_http2
from tocsin.domain.observations import Reason

# In chunks of a byte each they take 5 ms, in which nobody else has a turn.
_BYTES_AT_ONCE: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A request made ready: where it goes and its bytes, so that a repeated probe makes neither anew."""

    request: httpx.Request
    host: str
    port: int
    secure: bool
    wire: bytes
    route: Route = USUAL_ROUTE

    @classmethod
    def of(cls, request: httpx.Request, route: Route = USUAL_ROUTE) -> "Call":
        url = request.url
        host = url.raw_host.decode("ascii")
        return cls(request, host, port_of(url), url.scheme == "https", serialize_request(request), route)


class ResponseBody(Protocol):
    """The body of a response, as it arrives."""

    async def read_some(self) -> bytes:
        """The next part, and b"" at the end. Raises ProbeFailure with reason PROTOCOL."""

    def close(self) -> None:
        """Drop what has not been read, and the connection."""


class Http1Body:
    """A body, or what follows it on its connection."""

    def __init__(self, connection: ByteStream, parser: ResponseParser) -> None:
        self._connection = connection
        self._parser = parser

    async def read_some(self) -> bytes:
        while True:
            if data := self._parser.take_body():
                return data
            if self._parser.complete:
                return b""
            await _feed(self._parser, self._connection)

    def close(self) -> None:
        self._connection.abort()

    def take_over(self) -> tuple[ByteStream, bytes]:
        """The connection of a response that ends HTTP on it, and what has come of the other protocol."""
        return self._connection, self._parser.upgraded


class _Stream(httpx.AsyncByteStream):
    """A body as httpx reads it."""

    def __init__(self, body: ResponseBody) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._body.read_some():
            yield data

    async def aclose(self) -> None:
        self._body.close()


class Reply:
    """A response whose head is read, and its body, which is also the response's stream. The caller closes the body."""

    __slots__ = ("body", "headers", "request", "status_code")

    def __init__(self, request: httpx.Request, status_code: int, headers: RawHeaders, body: ResponseBody) -> None:
        self.request = request
        self.status_code = status_code
        self.headers = headers
        self.body = body

    @property
    def response(self) -> httpx.Response:
        """Made when it is asked for, as it costs a tenth of the probe, and most need no more than the status."""
        return httpx.Response(self.status_code, headers=self.headers, stream=_Stream(self.body), request=self.request)


async def exchange(call: Call, engine: Engine, trace: Trace) -> Reply:
    """Send the request and read the head of its response. Raises ProbeFailure. Redirects are not followed."""
    connection = await connect(call.host, call.port, call.route, engine, trace, secure=call.secure)
    if call.route.by_proxy and engine.proxy is not None and asks_proxy(call.route, engine, secure=call.secure):
        call = replace(call, wire=serialize_for_proxy(call.request, engine.proxy.authorization))
    try:
        trace.enter(Phase.PROCESSING)
        converse = _converse_in_http2 if call.route.alpn == HTTP_2 else _converse
        reply = await converse(call, connection)
    except BaseException:
        connection.abort()
        raise
    trace.enter(Phase.TRANSFER)
    trace.status_code = reply.status_code
    return reply


async def _converse(call: Call, connection: ByteStream) -> Reply:
    connection.send(call.wire)
    parser = ResponseParser(has_body=call.request.method != "HEAD")
    while not parser.head_complete:
        await _feed(parser, connection)
    return Reply(call.request, parser.status_code, parser.headers, Http1Body(connection, parser))


async def _converse_in_http2(call: Call, connection: ByteStream) -> Reply:
    require_http2(connection)
    conversation = Http2Exchange(connection)
    await conversation.send(http2_headers(call.request), call.request.content)
    await conversation.read_head()
    return Reply(call.request, conversation.status_code, conversation.headers, conversation)


async def _feed(parser: ResponseParser, connection: ByteStream) -> None:
    try:
        data = await connection.receive()
    except OSError as exc:
        raise ProbeFailure(Reason.PROTOCOL, "the connection broke before the response was complete") from exc
    if not data:
        return parser.feed_end()
    parser.feed(data[:_BYTES_AT_ONCE])
    for begin in range(_BYTES_AT_ONCE, len(data), _BYTES_AT_ONCE):
        await asyncio.sleep(0)
        parser.feed(data[begin : begin + _BYTES_AT_ONCE])
    return None
