"""An HTTP or HTTPS address that must answer as expected."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tocsin.domain.targets.addresses import validate_host
from tocsin.domain.targets.model import Target

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
# They frame the message or name the connection, so the prober alone may set them.
_FRAMING_HEADERS = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)


class HttpMethod(StrEnum):
    """The method of a request."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"


def _validate_header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("must be a header name: letters, digits and !#$%&'*+-.^_`|~")
    if name.lower() in _FRAMING_HEADERS:
        raise ValueError("is set by the prober itself; leave it out")
    return name


def _validate_header_value(value: str) -> str:
    if any((ord(character) < 32 and character != "\t") or ord(character) == 127 for character in value):
        raise ValueError("must not contain control characters such as line breaks")
    return value


class HttpHeader(BaseModel):
    """One header of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_validate_header_name)] = Field(
        description="Header name, such as Accept."
    )
    value: Annotated[str, Field(max_length=4096), AfterValidator(_validate_header_value)] = Field(
        description="Header value, without line breaks."
    )


def _split_url(url: str) -> SplitResult:
    if any(character.isspace() or ord(character) < 32 for character in url):
        raise ValueError("must not contain spaces or control characters; write them percent-encoded")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise ValueError("must be a URL such as https://example.com/health, with a port from 1 to 65535") from exc
    return parts


def _validate_url(url: str) -> str:
    parts = _split_url(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute URL such as https://example.com/health, with scheme http or https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password; send an Authorization header instead")
    if parts.port == 0:
        raise ValueError("must have a port from 1 to 65535")
    validate_host(parts.hostname.partition("%")[0])
    return url


def _validate_status(status: str) -> str:
    match = _STATUS.fullmatch(status)
    if not match or (match[2] and match[1] > match[2]):
        raise ValueError("must be a status such as 204, or a range such as 200-299")
    return status


ExpectedStatus = Annotated[str, AfterValidator(_validate_status)]


class HttpTarget(Target):
    """An HTTP or HTTPS address that must answer as expected."""

    kind: ClassVar[str] = "http"

    url: Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_validate_url)] = Field(
        description="Absolute http or https URL, without user name or password."
    )
    method: HttpMethod = Field(default=HttpMethod.GET, description="Method of the request.")
    headers: tuple[HttpHeader, ...] = Field(default=(), max_length=50, description="Headers to send, in this order.")
    body: str | None = Field(default=None, max_length=65536, description="Body to send, as UTF-8 text.")
    expected_status: tuple[ExpectedStatus, ...] = Field(
        default=("200-299",),
        min_length=1,
        max_length=20,
        description="Statuses that count as success: single ones such as 204, or ranges such as 200-299.",
    )
    body_contains: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Text that the response's body must contain."
    )
    follow_redirects: bool = Field(
        default=True, description="Whether redirects are followed, at most 10, and the last response judged."
    )

    @model_validator(mode="after")
    def _body_needs_a_method_that_has_one(self) -> Self:
        if self.body is not None and self.method in (HttpMethod.GET, HttpMethod.HEAD):
            raise ValueError(f"body cannot be sent with {self.method}; choose POST, PUT or PATCH")
        if self.body_contains is not None and self.method is HttpMethod.HEAD:
            raise ValueError("bodyContains cannot be judged with HEAD, which has no body; choose GET")
        return self

    @property
    def summary(self) -> str:
        # A query may carry a secret.
        return f"{self.method} {self.url.partition('?')[0]}"

    def accepts_status(self, status_code: int) -> bool:
        """Whether a response with this status code counts as success."""
        return any(_in_range(status_code, expected) for expected in self.expected_status)


def _in_range(status_code: int, expected: str) -> bool:
    first, _, last = expected.partition("-")
    return int(first) <= status_code <= int(last or first)
