"""One HTTP/1.1 exchange on a connection of its own.

httpx provides the vocabulary; its stock transport would cost twenty times the CPU of this one. There is no pool:
a probe that reuses a connection does not see that new ones fail.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httpx

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.dialing import dial
from probes.wire.http_messages import RawHeaders, ResponseParser, port_of, serialize_request
from probes.wire.tls import start_tls
from tocsin.domain.observations import Reason

_ALPN: Final = ("http/1.1",)


@dataclass(frozen=True, slots=True)
class Call:
    """A request made ready: where it goes and its bytes, so that a repeated probe makes neither anew."""

    request: httpx.Request
    host: str
    port: int
    secure: bool
    wire: bytes

    @classmethod
    def of(cls, request: httpx.Request) -> "Call":
        url = request.url
        host = url.raw_host.decode("ascii")
        return cls(request, host, port_of(url), url.scheme == "https", serialize_request(request))


class ResponseBody(httpx.AsyncByteStream):
    """The body of a response, as it arrives."""

    def __init__(self, connection: ByteStream, parser: ResponseParser) -> None:
        self._connection = connection
        self._parser = parser

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read_some():
            yield data

    async def read_some(self) -> bytes:
        """The next part, and b"" at the end. Raises ProbeFailure with reason PROTOCOL."""
        while True:
            if data := self._parser.take_body():
                return data
            if self._parser.complete:
                return b""
            await _feed(self._parser, self._connection)

    def close(self) -> None:
        """Drop what has not been read, and the connection."""
        self._connection.abort()

    async def aclose(self) -> None:
        self.close()


class Reply:
    """A response whose head is read, and its body, which is also the response's stream. The caller closes the body."""

    __slots__ = ("_parser", "_request", "body")

    def __init__(self, request: httpx.Request, parser: ResponseParser, body: ResponseBody) -> None:
        self._request = request
        self._parser = parser
        self.body = body

    @property
    def status_code(self) -> int:
        return self._parser.status_code

    @property
    def headers(self) -> RawHeaders:
        return self._parser.headers

    @property
    def response(self) -> httpx.Response:
        """Made when it is asked for, as it costs a tenth of the probe, and most need no more than the status."""
        return httpx.Response(
            self._parser.status_code, headers=self._parser.headers, stream=self.body, request=self._request
        )


async def exchange(call: Call, engine: Engine, trace: Trace) -> Reply:
    """Send the request and read the head of its response. Raises ProbeFailure. Redirects are not followed."""
    connection: ByteStream = await dial(call.host, call.port, engine, trace)
    try:
        if call.secure:
            connection = await start_tls(connection, call.host, engine.tls_contexts.of(None, _ALPN), trace)
        return await _converse(call, connection, trace)
    except BaseException:
        connection.abort()
        raise


async def _converse(call: Call, connection: ByteStream, trace: Trace) -> Reply:
    trace.enter(Phase.PROCESSING)
    connection.send(call.wire)
    parser = ResponseParser(has_body=call.request.method != "HEAD")
    while not parser.head_complete:
        await _feed(parser, connection)
    trace.enter(Phase.TRANSFER)
    trace.status_code = parser.status_code
    return Reply(call.request, parser, ResponseBody(connection, parser))


async def _feed(parser: ResponseParser, connection: ByteStream) -> None:
    try:
        data = await connection.receive()
    except OSError as exc:
        raise ProbeFailure(Reason.PROTOCOL, "the connection broke before the response was complete") from exc
    if data:
        parser.feed(data)
    else:
        parser.feed_end()
