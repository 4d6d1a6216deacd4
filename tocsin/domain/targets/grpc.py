"""A gRPC service that must say that it is healthy."""

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port
from tocsin.domain.targets.http_fields import ASCII, IS_HEADER_TEXT, NO_CONTROL
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Rule, matches
from tocsin.domain.targets.tls_options import TlsOptions

_SERVICE: Final = r"[0-9A-Za-z_./:-]*"
_SERVICE_RULE: Final = matches(
    f"^{_SERVICE}$", "must be the name of a service, such as shop.v1.Orders: letters, digits and _./:-"
)
_KEY: Final = "[0-9a-z_.-]+"
_KEY_RULE: Final = matches(f"^{_KEY}$", "must be a key of metadata: small letters, digits and _.-")
_AUTHORITY: Final = r"[0-9A-Za-z._~:\[\]-]+"
_AUTHORITY_RULE: Final = matches(f"^{_AUTHORITY}$", "must be a host, with or without a port, such as shop.example:443")
_RESERVED: Final = ("content-type", "te", "user-agent", "host", "connection", "transfer-encoding")
_NOT_RESERVED_RULE: Final = Rule(
    f"!(self.startsWith('grpc-') || self in {list(_RESERVED)})", "is set by the prober itself; leave it out"
)
_TEXT_KEY_RULE: Final = Rule(
    "!self.endsWith('-bin')", "must not end with -bin, which is for bytes; send text under another key"
)


def _validate_service(name: str) -> str:
    if not re.fullmatch(_SERVICE, name):
        raise ValueError(_SERVICE_RULE.message)
    return name


def _validate_key(key: str) -> str:
    if not re.fullmatch(_KEY, key):
        raise ValueError(_KEY_RULE.message)
    if key.startswith("grpc-") or key in _RESERVED:
        raise ValueError(_NOT_RESERVED_RULE.message)
    if key.endswith("-bin"):
        raise ValueError(_TEXT_KEY_RULE.message)
    return key


def _validate_authority(authority: str) -> str:
    if not re.fullmatch(_AUTHORITY, authority):
        raise ValueError(_AUTHORITY_RULE.message)
    return authority


class GrpcMetadata(BaseModel):
    """One entry of the metadata that a call is sent with."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[
        str,
        Field(min_length=1, max_length=100),
        AfterValidator(_validate_key),
        _KEY_RULE,
        _NOT_RESERVED_RULE,
        _TEXT_KEY_RULE,
    ] = Field(description="Key, such as authorization.")
    value: Annotated[str, Field(max_length=4096), IS_HEADER_TEXT, ASCII, NO_CONTROL, MayBeSecret()] = Field(
        description="Value, without line breaks."
    )


class GrpcTarget(Target):
    """A gRPC service that must be SERVING, by the health protocol of gRPC."""

    kind: ClassVar[str] = "grpc"
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.HEADER, Source.CERTIFICATE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(description="Port, from 1 to 65535.")
    service: Annotated[str, Field(max_length=253), AfterValidator(_validate_service), _SERVICE_RULE] = Field(
        default="", description="Full name of the service, such as shop.v1.Orders; empty for the server as a whole."
    )
    metadata: tuple[GrpcMetadata, ...] = Field(
        default=(), max_length=50, description="Metadata to send, in this order."
    )
    authority: (
        Annotated[str, Field(min_length=1, max_length=260), AfterValidator(_validate_authority), _AUTHORITY_RULE] | None
    ) = Field(default=None, description="What the call says it is for, when it is not host and port.")
    tls: TlsOptions | None = Field(default=None, description="How the connection is secured; without it, it is not.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
