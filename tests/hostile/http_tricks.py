"""What an HTTP server may do to a client."""

import gzip
import zlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Any, Final

from tests.hostile.tricks import ADDRESS, BLOCK, PORT, Trick, drips, floods, only, says, silent
from tocsin.domain.observations import Reason

OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB: Final = bytes(64 * 1024 * 1024)


def http(path: str = "/", **fields: Any) -> Mapping[str, Any]:
    return {"url": f"http://{ADDRESS}:{PORT}{path}", "body_contains": "never", **fields}


def compressed(name: str, body: bytes) -> bytes:
    return OK + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (name.encode(), len(body)) + body


async def redirects_for_ever(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")


def redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def with_token() -> Mapping[str, Any]:
    place = f"http://{ADDRESS}:{PORT}/token"
    return http(auth={"oauth2": {"token_url": place, "client_id": "probe", "client_secret": "s3cret"}})


_TIMEOUT = only(Reason.TIMEOUT)
_PROTOCOL = only(Reason.PROTOCOL)
_HEADERS = only(Reason.HEADER_LIMIT)
_BODY = only(Reason.BODY_LIMIT)

_NO_TOKEN = only(Reason.AUTHENTICATION, Reason.PROTOCOL, Reason.BODY_LIMIT, Reason.STATUS)
TOKENS: Final = {
    "silence": (silent, _TIMEOUT),
    "endless": (floods(OK + b"\r\n", BLOCK), _NO_TOKEN),
    "deep JSON": (says(OK + b"Content-Length: 60000\r\n\r\n" + b"[" * 60_000), _NO_TOKEN),
    "token with line breaks": (
        says(OK + b'Content-Length: 40\r\n\r\n{"access_token": "a\\r\\nX-Injected: true" }'),
        _NO_TOKEN,
    ),
    "elsewhere": (says(redirect("http://169.254.169.254/")), _NO_TOKEN | only(Reason.TARGET_BLOCKED)),
}
TRICKS: Final = (
    Trick("silence", "http", http(), _TIMEOUT, silent),
    Trick("slow status line", "http", http(), _TIMEOUT, drips(b"HTTP/1.1 200 O", b"K")),
    Trick("slow headers", "http", http(), _TIMEOUT, drips(OK, b"X: y\r\n")),
    Trick("slow body", "http", http(), _TIMEOUT, drips(OK + b"\r\n", b"x")),
    Trick("slow chunks", "http", http(), _TIMEOUT, drips(CHUNKED, b"1\r\nx\r\n")),
    Trick("endless body", "http", http(), _BODY, floods(OK + b"\r\n", BLOCK)),
    Trick("endless chunks of a byte", "http", http(), _BODY | _TIMEOUT, floods(CHUNKED, b"1\r\nx\r\n" * 10_000)),
    Trick("endless interim responses", "http", http(), _HEADERS, floods(b"", b"HTTP/1.1 103 Early\r\n\r\n" * 3_000)),
    Trick("endless header line", "http", http(), _HEADERS, floods(OK + b"X: ", b"x" * 65_536)),
    Trick("endless headers", "http", http(), _HEADERS, floods(OK, b"X: y\r\n" * 10_000)),
    Trick("endless trailers", "http", http(), _HEADERS, floods(CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000)),
    Trick(
        "endless chunk extension",
        "http",
        http(),
        _HEADERS | _PROTOCOL,
        floods(CHUNKED + b"1;", b"x" * 65_536),
    ),
    Trick("length too long", "http", http(), _PROTOCOL, says(OK + b"Content-Length: 1000\r\n\r\nshort")),
    Trick("negative length", "http", http(), _PROTOCOL, says(OK + b"Content-Length: -1\r\n\r\n")),
    Trick("two lengths", "http", http(), _PROTOCOL, says(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
    Trick(
        "length and chunks",
        "http",
        http(),
        # The chunks decide, as RFC 9112 allows.
        only(Reason.ASSERTION, Reason.PROTOCOL),
        says(CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n1\r\na\r\n0\r\n\r\n"),
    ),
    Trick(
        "length of a terabyte",
        "http",
        http(),
        _TIMEOUT,
        says(OK + b"Content-Length: 1099511627776\r\n\r\nx", stay=True),
    ),
    Trick("chunk of 2^64", "http", http(), _PROTOCOL, says(CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nx")),
    Trick("chunk without a size", "http", http(), _PROTOCOL, says(CHUNKED + b"zz\r\nx\r\n")),
    Trick("no HTTP at all", "http", http(), _PROTOCOL, says(b"\0\xff" * 1000)),
    Trick("gzip bomb", "http", http(accept_compression=True), _BODY, says(compressed("gzip", gzip.compress(BOMB)))),
    Trick(
        "deflate bomb", "http", http(accept_compression=True), _BODY, says(compressed("deflate", zlib.compress(BOMB)))
    ),
    Trick(
        "gzip in gzip in gzip",
        "http",
        http(accept_compression=True),
        _BODY | _PROTOCOL | only(Reason.ASSERTION),
        says(compressed("gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(BOMB))))),
    ),
    Trick(
        "gzip that nobody asked for",
        "http",
        http(),
        only(Reason.ASSERTION, Reason.BODY_LIMIT, Reason.PROTOCOL),
        says(compressed("gzip", gzip.compress(BOMB))),
    ),
    Trick(
        "endless gzip of nothing",
        "http",
        http(accept_compression=True),
        _BODY | _TIMEOUT | _PROTOCOL,
        floods(OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 3000),
    ),
    Trick("redirects without end", "http", http(), only(Reason.TOO_MANY_REDIRECTS), redirects_for_ever),
    Trick(
        "redirect to a metadata service",
        "http",
        http(),
        only(Reason.TARGET_BLOCKED),
        says(redirect("http://169.254.169.254/latest/meta-data/")),
    ),
    Trick(
        "redirect to another spelling of loopback",
        "http",
        http(),
        only(Reason.TARGET_BLOCKED),
        says(redirect("http://2130706433/")),
    ),
    Trick(
        "redirect to a file", "http", http(), only(Reason.PROTOCOL, Reason.STATUS), says(redirect("file:///etc/passwd"))
    ),
    Trick(
        "redirect of 60 KB",
        "http",
        http(),
        only(Reason.PROTOCOL, Reason.TOO_MANY_REDIRECTS),
        says(redirect("/" + "a" * 60_000)),
    ),
    Trick(
        "proxy in the environment",
        "http",
        http(body_contains="hello"),
        only(None),
        says(OK + b"Content-Length: 5\r\n\r\nhello"),
        environment={
            "HTTP_PROXY": "http://127.0.0.1:1",
            "http_proxy": "http://127.0.0.1:1",
            "ALL_PROXY": "http://127.0.0.1:1",
        },
    ),
    *(
        Trick(f"token endpoint: {name}", "http", with_token(), reasons, talk)
        for name, (talk, reasons) in TOKENS.items()
    ),
    Trick(
        "digest of nonsense",
        "http",
        http(auth={"digest": {"username": "probe", "password": "s3cret"}}),
        only(Reason.AUTHENTICATION, Reason.STATUS, Reason.PROTOCOL),
        says(
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
            b"WWW-Authenticate: Digest realm=" + b'"' * 20_000 + b", nonce=, qop=\r\n\r\n"
        ),
    ),
)
