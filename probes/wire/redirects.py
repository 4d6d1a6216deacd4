"""Where a redirect leads, and what may travel with it."""

from collections.abc import Collection
from typing import Final

import httpx

from probes.failures import ProbeFailure
from probes.redaction import Redaction
from probes.wire.http_messages import port_of
from tocsin.domain.observations import Reason

MAX_REDIRECTS: Final = 10
# Reading one takes 1 us a character at worst.
_MAX_LOCATION_LENGTH: Final = 8192
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD: Final = frozenset({307, 308})
_BODY_HEADERS: Final = ("Content-Length", "Content-Type", "Content-Encoding", "Content-Language")
# Another origin gets these alone: any header that a user sets may be a credential, such as X-Api-Key.
_HARMLESS_HEADERS: Final = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"connection",
        b"content-length",
        b"content-type",
        b"user-agent",
    }
)


def redirected(request: httpx.Request, response: httpx.Response, secrets: Collection[str] = ()) -> httpx.Request | None:
    """The request that the response asks for, or None if it is no redirect.

    Method and body change as in browsers. Raises ProbeFailure with reason PROTOCOL for a location that cannot be used,
    and for one of another origin that a URL or a body with a secret would be sent to.
    """
    if response.status_code not in REDIRECTS or (location := response.headers.get("location")) is None:
        return None
    url = locate(request.url, location)
    method = _method(request.method, response.status_code)
    keeps_body = method == request.method
    if not may_see_credentials(request.url, url):
        _require_harmless(str(url), "URL", secrets)
        _require_harmless(request.content.decode("utf-8", "replace") if keeps_body else "", "body", secrets)
    return httpx.Request(
        method,
        url,
        headers=_headers(request, url, keeps_body, secrets),
        content=request.content if keeps_body else None,
    )


def locate(origin: httpx.URL, location: str) -> httpx.URL:
    """The URL that a location means. Raises ProbeFailure with reason PROTOCOL for what is none."""
    if len(location) > _MAX_LOCATION_LENGTH:
        raise ProbeFailure(Reason.PROTOCOL, f"the redirect's location is longer than {_MAX_LOCATION_LENGTH} characters")
    try:
        url = origin.join(location)
    except (httpx.InvalidURL, ValueError) as exc:
        raise ProbeFailure(Reason.PROTOCOL, "the redirect's location is not a valid URL") from exc
    if url.scheme not in ("http", "https") or not url.host or not 0 < port_of(url) <= 65_535:
        raise ProbeFailure(Reason.PROTOCOL, "the redirect's location is not an http or https URL")
    return url


def place_of(url: httpx.URL) -> str:
    """The URL without what may let somebody in: credentials, query and fragment."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


def _require_harmless(text: str, what: str, secrets: Collection[str]) -> None:
    """In whatever form: a secret in a form or a URL is encoded."""
    if secrets and Redaction(secrets).applied_to(text) != text:
        raise ProbeFailure(
            Reason.PROTOCOL, f"the redirect leads to another origin, which must not see the {what}'s secret"
        )


def _method(method: str, status_code: int) -> str:
    if status_code in _KEEP_METHOD or method == "HEAD":
        return method
    return method if status_code == 301 and method != "POST" else "GET"


def _headers(request: httpx.Request, url: httpx.URL, keeps_body: bool, secrets: Collection[str]) -> httpx.Headers:
    headers = request.headers.copy()
    if not may_see_credentials(request.url, url):
        headers = httpx.Headers([header for header in headers.raw if _is_harmless(header, secrets)])
    for name in () if keeps_body else _BODY_HEADERS:
        headers.pop(name, None)
    if _origin(url) != _origin(request.url):
        headers.pop("Host", None)
    return headers


def _is_harmless(header: tuple[bytes, bytes], secrets: Collection[str]) -> bool:
    name, value = header
    return name.lower() in _HARMLESS_HEADERS and not any(secret.encode() in value for secret in secrets)


def may_see_credentials(origin: httpx.URL, target: httpx.URL) -> bool:
    """Whether what is meant for one URL may be sent to the other.

    To the same origin it may, and to the same host over TLS, to which http is usually redirected.
    """
    if _origin(origin) == _origin(target):
        return True
    upgrade = (_origin(origin)[::2], _origin(target)[::2]) == (("http", 80), ("https", 443))
    return upgrade and origin.raw_host == target.raw_host


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)
