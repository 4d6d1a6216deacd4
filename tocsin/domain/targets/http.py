"""An HTTP or HTTPS address that must answer as expected."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import IpFamily
from tocsin.domain.targets.http_auth import ONE_AUTHORIZATION, HttpAuth, the_only_authorization
from tocsin.domain.targets.http_fields import (
    ASCII,
    IS_HEADER_TEXT,
    IS_TEXT,
    NO_CONTROL,
    NO_NUL,
    HttpHeader,
    HttpParameter,
    JsonText,
)
from tocsin.domain.targets.http_statuses import ExpectedStatuses, statuses
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Requirement
from tocsin.domain.targets.tls_options import TlsOptions
from tocsin.domain.targets.urls import Url

_ONE_BODY: Final = "cannot be combined with another body; keep one of body, jsonBody and form"
_METHOD_WITH_BODY: Final = "has(self.method) && !(self.method in ['GET', 'HEAD'])"
_BODY_NEEDS_METHOD: Final = "cannot be sent with GET or HEAD; choose POST, PUT or PATCH"
_SUCCESSES: Final = ("200-299",)
_REDIRECTS: Final = ("300-399",)
_NOT_FOLLOWED: Final = "is for a redirect that is not followed; set followRedirects to false"


class HttpMethod(StrEnum):
    """The method of a request."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"


class HttpVersion(StrEnum):
    """A version of HTTP."""

    HTTP_1_1 = "HTTP_1_1"
    HTTP_2 = "HTTP_2"


class HttpTarget(Target):
    """An HTTP or HTTPS address that must answer as expected."""

    kind: ClassVar[str] = "http"
    sources: ClassVar[frozenset[Source]] = frozenset(
        {Source.STATUS, Source.HEADER, Source.BODY, Source.JSON, Source.SIZE, Source.CERTIFICATE}
    )
    requirements: ClassVar[tuple[Requirement, ...]] = (
        Requirement("body", _METHOD_WITH_BODY, _BODY_NEEDS_METHOD),
        Requirement("json_body", _METHOD_WITH_BODY, _BODY_NEEDS_METHOD),
        Requirement("form", _METHOD_WITH_BODY, _BODY_NEEDS_METHOD),
        Requirement("json_body", "!has(self.body) && !has(self.bodyFrom)", _ONE_BODY),
        Requirement(
            "form",
            "!has(self.body) && !has(self.bodyFrom) && !has(self.jsonBody) && !has(self.jsonBodyFrom)",
            _ONE_BODY,
        ),
        ONE_AUTHORIZATION,
        Requirement(
            "body_contains",
            "!has(self.method) || self.method != 'HEAD'",
            "cannot be judged with HEAD, which is answered without a body; choose GET",
        ),
        Requirement("expected_location", "has(self.followRedirects) && !self.followRedirects", _NOT_FOLLOWED),
    )

    url: Url = Field(description="Absolute http or https URL, without user name or password.")
    query: tuple[HttpParameter, ...] = Field(
        default=(), max_length=50, description="Parameters to add to the URL's query. No message repeats them."
    )
    method: HttpMethod = Field(default=HttpMethod.GET, description="Method of the request.")
    headers: tuple[HttpHeader, ...] = Field(default=(), max_length=50, description="Headers to send, in this order.")
    user_agent: Annotated[str, Field(min_length=1, max_length=512), IS_HEADER_TEXT, ASCII, NO_CONTROL] | None = Field(
        default=None, description="What the request says of itself, in place of Tocsin and its version."
    )
    auth: HttpAuth | None = Field(default=None, description="Credentials of the request.")
    body: Annotated[Annotated[str, Field(max_length=65536), IS_TEXT, NO_NUL] | None, MayBeSecret()] = Field(
        default=None, description="Body to send, as UTF-8 text."
    )
    json_body: Annotated[JsonText | None, MayBeSecret()] = Field(
        default=None, description="JSON to send as body, with its content type."
    )
    form: tuple[HttpParameter, ...] = Field(
        default=(), max_length=50, description="Form to send as body, with its content type."
    )
    expected_status: ExpectedStatuses = Field(
        default=_SUCCESSES,
        max_length=20,
        json_schema_extra={"minItems": 1},
        description="Statuses that count as success: single ones such as 204, or ranges such as 200-299. With "
        "expectedLocation, 300-399 count in place of 200-299.",
    )
    body_contains: Annotated[str, Field(min_length=1, max_length=1024), IS_TEXT, NO_NUL] | None = Field(
        default=None, description="Text that the response's body must contain."
    )
    maximum_body_bytes: Annotated[int, Field(strict=True, ge=1, le=10_485_760)] = Field(
        default=1_048_576,
        description="How much of the response's body is read. A longer one fails when something is expected of it.",
    )
    accept_compression: bool = Field(
        default=False, description="Whether the body may come compressed, as gzip or deflate."
    )
    follow_redirects: bool = Field(
        default=True, description="Whether redirects are followed, at most 10, and the last response judged."
    )
    expected_location: Url | None = Field(
        default=None,
        description="Absolute URL that the response must redirect to. For redirects that are not followed.",
    )
    http_version: HttpVersion = Field(
        default=HttpVersion.HTTP_1_1,
        description="Version of HTTP to speak: HTTP/2 is agreed on in the TLS handshake, or taken for granted without.",
    )
    tls: TlsOptions | None = Field(default=None, description="How TLS is spoken, and whom to trust.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    use_proxy: bool = Field(
        default=False, description="Whether the request goes through the proxy of this installation, if it has one."
    )

    @field_validator("body", "json_body", "form")
    @classmethod
    def _fits_other_bodies_and_method(cls, body: object, info: ValidationInfo) -> object:
        if body is None or body == ():
            return body
        if (method := info.data.get("method")) in (HttpMethod.GET, HttpMethod.HEAD):
            raise ValueError(f"cannot be sent with {method}; choose POST, PUT or PATCH")
        if info.data.get("body") is not None or info.data.get("json_body") is not None:
            raise ValueError(_ONE_BODY)
        return body

    @field_validator("auth")
    @classmethod
    def _is_the_only_authorization(cls, auth: HttpAuth | None, info: ValidationInfo) -> HttpAuth | None:
        return the_only_authorization(auth, info.data.get("headers", ()))

    @field_validator("body_contains")
    @classmethod
    def _response_needs_a_body(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and info.data.get("method") is HttpMethod.HEAD:
            raise ValueError("cannot be judged with HEAD, which is answered without a body; choose GET")
        return text

    @field_validator("expected_location")
    @classmethod
    def _needs_a_redirect_that_is_seen(cls, location: str | None, info: ValidationInfo) -> str | None:
        if location is not None and info.data.get("follow_redirects"):
            raise ValueError(_NOT_FOLLOWED)
        return location

    def accepts_status(self, status_code: int) -> bool:
        """Whether a response with this status code counts as success."""
        return status_code in statuses(self.counted_statuses)

    @property
    def counted_statuses(self) -> tuple[str, ...]:
        """The expected ones; those of redirects where one is expected, and no other status is."""
        is_redirect_expected = self.expected_location is not None and self.expected_status == _SUCCESSES
        return _REDIRECTS if is_redirect_expected else self.expected_status
