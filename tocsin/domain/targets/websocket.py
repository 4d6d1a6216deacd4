"""A WebSocket that must open, and converse as expected."""

from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import IpFamily
from tocsin.domain.targets.exchanges import SendAndExpect
from tocsin.domain.targets.http_auth import ONE_AUTHORIZATION, HttpAuth, the_only_authorization
from tocsin.domain.targets.http_fields import HttpHeader
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.rules import Requirement, matches
from tocsin.domain.targets.tls_options import TlsOptions
from tocsin.domain.targets.urls import WebSocketUrl

_TOKEN: Final = "!#$%&'*+.^_`|~0-9A-Za-z-"  # noqa: S105 - of RFC 9110
_SUBPROTOCOL_RULE: Final = matches(
    f"^[{_TOKEN}]+$",
    "must be the name of a subprotocol, such as graphql-transport-ws: letters, digits and !#$%&'*+-.^_`|~",
)
_OWN_HEADERS: Final = "must not set Sec-WebSocket-... headers, which the prober sets itself; give subprotocols instead"


def _validate_subprotocol(name: str) -> str:
    if any(
        character not in "!#$%&'*+.^_`|~-" and not (character.isascii() and character.isalnum()) for character in name
    ):
        raise ValueError(_SUBPROTOCOL_RULE.message)
    return name


Subprotocol = Annotated[
    str, Field(min_length=1, max_length=100), AfterValidator(_validate_subprotocol), _SUBPROTOCOL_RULE
]


class WebSocketStep(SendAndExpect):
    """A message to send, a message that must come, or first the one and then the other. HEX is sent as a binary one."""


class WebSocketTarget(Target):
    """A WebSocket that must open, and converse as expected."""

    kind: ClassVar[str] = "websocket"
    sources: ClassVar[frozenset[Source]] = frozenset(
        {Source.STATUS, Source.HEADER, Source.BODY, Source.JSON, Source.SIZE, Source.CERTIFICATE}
    )
    requirements: ClassVar[tuple[Requirement, ...]] = (
        Requirement(
            "headers",
            "!self.headers.exists(each, each.name.lowerAscii().startsWith('sec-websocket-'))",
            _OWN_HEADERS,
        ),
        ONE_AUTHORIZATION,
    )

    url: WebSocketUrl = Field(description="Absolute ws or wss URL; http and https stand for them.")
    headers: tuple[HttpHeader, ...] = Field(
        default=(), max_length=50, description="Headers of the request to open it, in this order."
    )
    auth: HttpAuth | None = Field(default=None, description="Credentials of the request to open it.")
    subprotocols: tuple[Subprotocol, ...] = Field(
        default=(), max_length=10, description="Subprotocols to offer, of which the server must choose one."
    )
    steps: tuple[WebSocketStep, ...] = Field(
        default=(), max_length=10, description="What to send and what must come, in this order."
    )
    tls: TlsOptions | None = Field(default=None, description="How TLS is spoken, and whom to trust.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")

    @field_validator("headers")
    @classmethod
    def _leave_the_opening_to_the_prober(cls, headers: tuple[HttpHeader, ...]) -> tuple[HttpHeader, ...]:
        if any(header.name.lower().startswith("sec-websocket-") for header in headers):
            raise ValueError(_OWN_HEADERS)
        return headers

    @field_validator("auth")
    @classmethod
    def _is_the_only_authorization(cls, auth: HttpAuth | None, info: ValidationInfo) -> HttpAuth | None:
        return the_only_authorization(auth, info.data.get("headers", ()))
