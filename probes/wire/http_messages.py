"""HTTP/1.1 messages: a request to bytes, bytes to a response."""

from collections.abc import Sequence
from typing import Final, overload

import httptools
import httpx

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason

MAX_HEAD_BYTES: Final = 64 * 1024
# httpx takes 2 us for each.
MAX_HEADERS: Final = 1000
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SWITCHING_PROTOCOLS: Final = 101
_OF_HTTP1: Final = frozenset({b"host", b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding"})

RawHeaders = list[tuple[bytes, bytes]]


class HeaderLines(Sequence[tuple[str, str]]):
    """Headers as text, made of their bytes when they are looked at, which most never are."""

    __slots__ = ("_raw",)

    def __init__(self, raw: RawHeaders) -> None:
        self._raw = raw

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[str, str], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | tuple[tuple[str, str], ...]:
        if isinstance(index, slice):
            return tuple(map(_as_text, self._raw[index]))
        return _as_text(self._raw[index])

    def __len__(self) -> int:
        return len(self._raw)


def _as_text(header: tuple[bytes, bytes]) -> tuple[str, str]:
    # As httpx reads them: any byte is a character of Latin 1, which UTF-8 was often meant by.
    name, value = header
    try:
        return name.decode("ascii", "replace"), value.decode()
    except UnicodeDecodeError:
        return name.decode("ascii", "replace"), value.decode("latin-1")


def port_of(url: httpx.URL) -> int:
    """The port that an http or https URL names, or means."""
    return _DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def serialize_request(request: httpx.Request) -> bytes:
    """The whole request, with its body, which must be in memory."""
    return _serialized(request, request.url.raw_path, request.headers.raw)


def serialize_for_proxy(request: httpx.Request, authorization: bytes | None) -> bytes:
    """The same for a proxy, which is told the whole URL, and by whom it is asked."""
    url = request.url
    headers = request.headers.raw
    own = [] if authorization is None else [(b"Proxy-Authorization", authorization)]
    return _serialized(request, b"%b://%b%b" % (url.raw_scheme, url.netloc, url.raw_path), [*headers, *own])


def _serialized(request: httpx.Request, place: bytes, headers: RawHeaders) -> bytes:
    head = [b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), place)]
    head += [b"%b: %b\r\n" % header for header in headers]
    return b"".join((*head, b"\r\n", request.content))


def http2_headers(request: httpx.Request) -> RawHeaders:
    """The headers of a request in HTTP/2, where those that name the connection have no place."""
    url = request.url
    return [
        (b":method", request.method.encode("ascii")),
        (b":authority", request.headers["Host"].encode("ascii")),
        (b":scheme", url.raw_scheme),
        (b":path", url.raw_path),
        *((name.lower(), value) for name, value in request.headers.raw if name.lower() not in _OF_HTTP1),
    ]


class ResponseParser:
    """Reads one final response; interim ones (1xx) are skipped.

    After `head_complete`, `status_code` and `headers` stand; `take_body` hands out the body as it comes;
    `complete` says that its end was seen.
    """

    def __init__(self, *, has_body: bool) -> None:
        self.headers: RawHeaders = []
        self.status_code = 0
        self.head_complete = False
        self.complete = False
        self.upgraded = b""  # what came behind a response that ends HTTP on its connection
        self._has_body = has_body
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._bodiless_bytes = 0
        self._parser = httptools.HttpResponseParser(self)
        # What browsers forgive harms nobody here: a connection carries one response, so nothing can be smuggled.
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )

    def feed(self, data: bytes) -> None:
        """Read on. Raises ProbeFailure with reason PROTOCOL or HEADER_LIMIT."""
        while data and not self.head_complete:
            data = self._feed_head(data)
        if data and not self.complete:
            self._feed_body(data)
        elif self.status_code == _SWITCHING_PROTOCOLS:
            self.upgraded += data

    def feed_end(self) -> None:
        """The peer closed the connection. Raises ProbeFailure with reason PROTOCOL unless the response may end so."""
        if not self.head_complete:
            started = "in the middle of the head of its response" if self._head_bytes else "without a response"
            raise ProbeFailure(Reason.PROTOCOL, f"the server closed the connection {started}")
        if not self.complete and self._announces_its_end():
            raise ProbeFailure(Reason.PROTOCOL, "the server closed the connection in the middle of the body")
        self.complete = True

    def take_body(self) -> bytes:
        """What has come of the body since the last call."""
        body = self._body
        if not body:
            return b""
        self._body = []
        return body[0] if len(body) == 1 else b"".join(body)

    def _feed_head(self, data: bytes) -> bytes:
        """Feed no more than a head may have, and return the rest."""
        allowed = MAX_HEAD_BYTES - self._head_bytes
        if not allowed:
            raise ProbeFailure(Reason.HEADER_LIMIT, f"the head of the response exceeds {MAX_HEAD_BYTES // 1024} KiB")
        self._parse(data[:allowed])
        self._head_bytes += min(allowed, len(data))
        if len(self.headers) > MAX_HEADERS:
            raise ProbeFailure(Reason.HEADER_LIMIT, f"the response has more than {MAX_HEADERS} headers")
        return data[allowed:]

    def _feed_body(self, data: bytes) -> None:
        """Feed what may also be the sizes of chunks, their extensions and trailers, of which no end need come."""
        had = len(self._body)
        self._parse(data)
        self._bodiless_bytes = 0 if len(self._body) > had else self._bodiless_bytes + len(data)
        if self._bodiless_bytes > MAX_HEAD_BYTES and not self.complete:
            raise ProbeFailure(
                Reason.HEADER_LIMIT, f"more than {MAX_HEAD_BYTES // 1024} KiB of trailers or chunk extensions came"
            )

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.complete = True
            self.upgraded = data[upgrade.args[0] :]
        except httptools.HttpParserError as exc:
            if not self.complete:
                raise ProbeFailure(Reason.PROTOCOL, f"the response is not valid HTTP/1.1: {exc}") from exc

    def _announces_its_end(self) -> bool:
        return any(
            name == b"content-length" or (name == b"transfer-encoding" and value.lower().endswith(b"chunked"))
            for name, value in ((name.lower(), value) for name, value in self.headers)
        )

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_complete:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.head_complete:
            return
        status_code = self._parser.get_status_code()
        if status_code < 200 and status_code != _SWITCHING_PROTOCOLS:
            self.headers = []
            return
        self.status_code = status_code
        self.head_complete = True
        self.complete = not self._has_body

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._body.append(data)

    def on_message_complete(self) -> None:
        self.complete = self.head_complete
