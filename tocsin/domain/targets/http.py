"""An HTTP or HTTPS address that must answer as expected."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, ClassVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tocsin.domain.targets.addresses import validate_host
from tocsin.domain.targets.model import MayBeSecret, Target

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_IPV6_AND_PORT = re.compile(r"\[[^\[\]]*:[^\[\]]*\](?::[0-9]*)?")
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
    if not value.isascii():
        raise ValueError("must be ASCII; percent-encode other characters, or encode them as Base64")
    if any(not character.isprintable() and character != "\t" for character in value):
        raise ValueError("must not contain control characters such as line breaks; leave them out")
    return value


def _validate_text(text: str) -> str:
    # PostgreSQL stores no NUL in text or JSON.
    if "\0" in text:
        raise ValueError("must not contain the character NUL; leave it out")
    return text


class HttpHeader(BaseModel):
    """One header of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_validate_header_name)] = Field(
        description="Header name, such as Accept."
    )
    value: Annotated[str, Field(max_length=4096), AfterValidator(_validate_header_value), MayBeSecret()] = Field(
        description="Header value, without line breaks."
    )


def _split_url(url: str) -> SplitResult:
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must not contain spaces or control characters; write them percent-encoded")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # The cause quotes what it took for a port, which may be part of a password.
        raise ValueError("must be a URL such as https://example.com/health, with a port from 1 to 65535") from None
    return parts


def _validate_url(url: str) -> str:
    parts = _split_url(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute URL such as https://example.com/health, with scheme http or https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password; send an Authorization header instead")
    if parts.port == 0:
        raise ValueError("must have a port from 1 to 65535")
    if "[" in parts.netloc and not _IPV6_AND_PORT.fullmatch(parts.netloc):
        raise ValueError("must have an IPv6 address in brackets, and nothing else, as in http://[2001:db8::1]/")
    validate_host(parts.hostname)
    return url


def _validate_status(status: str) -> str:
    match = _STATUS.fullmatch(status)
    if not match or (match[2] and match[1] > match[2]):
        raise ValueError("must be a status such as 204, or a range such as 200-299")
    return status


def _validate_statuses(statuses: tuple[str, ...]) -> tuple[str, ...]:
    # Not by min_length: pydantic then calls a tuple empty as well whose only item is wrong.
    if not statuses:
        raise ValueError("must name at least one status, such as 200-299")
    return statuses


ExpectedStatus = Annotated[str, AfterValidator(_validate_status)]


class HttpTarget(Target):
    """An HTTP or HTTPS address that must answer as expected."""

    kind: ClassVar[str] = "http"

    url: Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_validate_url)] = Field(
        description="Absolute http or https URL, without user name or password."
    )
    method: HttpMethod = Field(default=HttpMethod.GET, description="Method of the request.")
    headers: tuple[HttpHeader, ...] = Field(default=(), max_length=50, description="Headers to send, in this order.")
    body: Annotated[Annotated[str, Field(max_length=65536), AfterValidator(_validate_text)] | None, MayBeSecret()] = (
        Field(default=None, description="Body to send, as UTF-8 text.")
    )
    expected_status: Annotated[tuple[ExpectedStatus, ...], AfterValidator(_validate_statuses)] = Field(
        default=("200-299",),
        max_length=20,
        json_schema_extra={"minItems": 1},
        description="Statuses that count as success: single ones such as 204, or ranges such as 200-299.",
    )
    body_contains: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_validate_text)] | None = Field(
        default=None, description="Text that the response's body must contain."
    )
    follow_redirects: bool = Field(
        default=True, description="Whether redirects are followed, at most 10, and the last response judged."
    )

    @field_validator("body")
    @classmethod
    def _body_needs_a_method_that_has_one(cls, body: str | None, info: ValidationInfo) -> str | None:
        method = info.data.get("method")
        if body is not None and method in (HttpMethod.GET, HttpMethod.HEAD):
            raise ValueError(f"cannot be sent with {method}; choose POST, PUT or PATCH")
        return body

    @field_validator("body_contains")
    @classmethod
    def _response_needs_a_body(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and info.data.get("method") is HttpMethod.HEAD:
            raise ValueError("cannot be judged with HEAD, which is answered without a body; choose GET")
        return text

    def accepts_status(self, status_code: int) -> bool:
        """Whether a response with this status code counts as success."""
        return status_code in _statuses(self.expected_status)


@lru_cache(maxsize=1024)
def _statuses(expected: tuple[str, ...]) -> frozenset[int]:
    """The statuses that single ones and ranges name; kept, as every probe asks."""
    ranges = (part.partition("-") for part in expected)
    return frozenset(status for first, _, last in ranges for status in range(int(first), int(last or first) + 1))
