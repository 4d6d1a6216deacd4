"""An HTTP or HTTPS address that must answer as expected."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Requirement, Rule, matches, matches_not
from tocsin.domain.targets.urls import Url

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
# They frame the message or name the connection, so the prober alone may set them.
_FRAMING_HEADERS = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)

_HEADER_NAME: Final = matches(
    "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "must be a header name: letters, digits and !#$%&'*+-.^_`|~"
)
_NOT_FRAMING: Final = Rule(
    f"!(self.lowerAscii() in {sorted(_FRAMING_HEADERS)})", "is set by the prober itself; leave it out"
)
_ASCII: Final = matches(r"^[\x00-\x7f]*$", "must be ASCII; percent-encode other characters, or encode them as Base64")
_NO_CONTROL: Final = matches_not(
    r"[\x00-\x08\x0a-\x1f\x7f]", "must not contain control characters such as line breaks; leave them out"
)
_NO_NUL: Final = matches_not(r"\x00", "must not contain the character NUL; leave it out")
_STATUS_OR_RANGE: Final = Rule(
    'self.matches("^[1-5][0-9]{2}(-[1-5][0-9]{2})?$") && '
    "(size(self) == 3 || self.substring(0, 3) <= self.substring(4))",
    "must be a status such as 204, or a range such as 200-299",
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
        raise ValueError(_HEADER_NAME.message)
    if name.lower() in _FRAMING_HEADERS:
        raise ValueError(_NOT_FRAMING.message)
    return name


def _validate_header_value(value: str) -> str:
    if not value.isascii():
        raise ValueError(_ASCII.message)
    if any(not character.isprintable() and character != "\t" for character in value):
        raise ValueError(_NO_CONTROL.message)
    return value


def _validate_text(text: str) -> str:
    # PostgreSQL stores no NUL in text or JSON.
    if "\0" in text:
        raise ValueError(_NO_NUL.message)
    return text


class HttpHeader(BaseModel):
    """One header of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[
        str, Field(min_length=1, max_length=100), AfterValidator(_validate_header_name), _HEADER_NAME, _NOT_FRAMING
    ] = Field(description="Header name, such as Accept.")
    value: Annotated[
        str, Field(max_length=4096), AfterValidator(_validate_header_value), _ASCII, _NO_CONTROL, MayBeSecret()
    ] = Field(description="Header value, without line breaks.")


def _validate_status(status: str) -> str:
    match = _STATUS.fullmatch(status)
    if not match or (match[2] and match[1] > match[2]):
        raise ValueError(_STATUS_OR_RANGE.message)
    return status


def _validate_statuses(statuses: tuple[str, ...]) -> tuple[str, ...]:
    # Not by min_length: pydantic then calls a tuple empty as well whose only item is wrong.
    if not statuses:
        raise ValueError("must name at least one status, such as 200-299")
    return statuses


ExpectedStatus = Annotated[
    str, AfterValidator(_validate_status), _STATUS_OR_RANGE, Field(json_schema_extra={"maxLength": len("200-299")})
]


class HttpTarget(Target):
    """An HTTP or HTTPS address that must answer as expected."""

    kind: ClassVar[str] = "http"
    sources: ClassVar[frozenset[Source]] = frozenset(
        {Source.STATUS, Source.HEADER, Source.BODY, Source.JSON, Source.SIZE, Source.CERTIFICATE}
    )
    requirements: ClassVar[tuple[Requirement, ...]] = (
        Requirement(
            "body",
            "has(self.method) && !(self.method in ['GET', 'HEAD'])",
            "cannot be sent with GET or HEAD; choose POST, PUT or PATCH",
        ),
        Requirement(
            "body_contains",
            "!has(self.method) || self.method != 'HEAD'",
            "cannot be judged with HEAD, which is answered without a body; choose GET",
        ),
    )

    url: Url = Field(description="Absolute http or https URL, without user name or password.")
    method: HttpMethod = Field(default=HttpMethod.GET, description="Method of the request.")
    headers: tuple[HttpHeader, ...] = Field(default=(), max_length=50, description="Headers to send, in this order.")
    body: Annotated[
        Annotated[str, Field(max_length=65536), AfterValidator(_validate_text), _NO_NUL] | None, MayBeSecret()
    ] = Field(default=None, description="Body to send, as UTF-8 text.")
    expected_status: Annotated[tuple[ExpectedStatus, ...], AfterValidator(_validate_statuses)] = Field(
        default=("200-299",),
        max_length=20,
        json_schema_extra={"minItems": 1},
        description="Statuses that count as success: single ones such as 204, or ranges such as 200-299.",
    )
    body_contains: (
        Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_validate_text), _NO_NUL] | None
    ) = Field(default=None, description="Text that the response's body must contain.")
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
