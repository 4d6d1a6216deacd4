"""Requests, made of what targets say."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import httpx

from probes.egress import require_plain_host
from probes.failures import ProbeFailure
from probes.wire.http_messages import RawHeaders
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http_fields import HttpHeader, HttpParameter

USER_AGENT: Final = f"Tocsin/{version('tocsin')}"
JSON: Final = b"application/json"
FORM: Final = b"application/x-www-form-urlencoded"


def make_request(method: str, url: str, headers: RawHeaders, content: bytes | None = None) -> httpx.Request:
    """Raises ProbeFailure for a host that names no place."""
    require_plain_host(urlsplit(url).hostname or "")
    try:
        return httpx.Request(method, url, headers=headers, content=content)
    except httpx.InvalidURL as exc:
        raise ProbeFailure(Reason.DNS, "the URL names no valid host") from exc


def complete_headers(own: Iterable[HttpHeader], others: RawHeaders, connection: bytes = b"close") -> RawHeaders:
    """The headers of a target, and others that it does not have itself. The connection carries one exchange."""
    given = [(header.name.encode("ascii"), header.value.encode("ascii")) for header in own]
    names = {name.lower() for name, _ in given}
    return [*(header for header in others if header[0].lower() not in names), *given, (b"Connection", connection)]


def with_query(url: str, parameters: Iterable[HttpParameter]) -> str:
    """The URL with more parameters in its query, and without its fragment, which is not sent."""
    if not (query := encode_parameters(parameters, plus=False)):
        return url
    plain = url.partition("#")[0]
    return f"{plain}{'&' if '?' in plain else '?'}{query}"


def encode_parameters(parameters: Iterable[HttpParameter], *, plus: bool) -> str:
    """As a query or a form has them; a space becomes a plus in a form alone."""
    pairs = [(parameter.name, parameter.value) for parameter in parameters]
    return urlencode(pairs) if plus else urlencode(pairs, quote_via=quote, safe="")


def with_header(request: httpx.Request, name: bytes, value: bytes) -> httpx.Request:
    """A copy of the request with one more header."""
    headers = [*request.headers.raw, (name, value)]
    return httpx.Request(request.method, request.url, headers=headers, content=request.content or None)
