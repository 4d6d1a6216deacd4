"""A mailbox server that must greet, and may be logged in to."""

from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port
from tocsin.domain.targets.mail import (
    LOGIN_IS_SECURED,
    TLS_IS_SPOKEN,
    MailLogin,
    require_secured,
    require_tls_spoken,
)
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.rules import Requirement, matches
from tocsin.domain.targets.security import Security
from tocsin.domain.targets.tls_options import TlsOptions

_CAPABILITY: Final = matches("^[!-~]+$", "must be a capability in ASCII without spaces, such as IDLE or AUTH=PLAIN")


def _validate_capability(name: str) -> str:
    if not name.isascii() or not name.isprintable() or " " in name:
        raise ValueError(_CAPABILITY.message)
    return name


Capability = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_validate_capability), _CAPABILITY]


class ImapTarget(Target):
    """A mailbox server that must greet, be secured, offer what is expected, and take a login."""

    kind: ClassVar[str] = "imap"
    requirements: ClassVar[tuple[Requirement, ...]] = (TLS_IS_SPOKEN, LOGIN_IS_SECURED)
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.BODY, Source.CERTIFICATE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(description="Port, such as 143, or 993 for TLS from the first byte.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    security: Security = Field(default=Security.STARTTLS, description="Whether TLS is spoken, and when.")
    tls: TlsOptions | None = Field(default=None, description="How TLS is spoken, and whom to trust.")
    login: MailLogin | None = Field(default=None, description="Who logs in; without it, nobody.")
    capabilities: Annotated[tuple[Capability, ...], Field(max_length=30)] = Field(
        default=(), description="What the server must offer before the login, such as IDLE."
    )

    @field_validator("tls")
    @classmethod
    def _tls_is_spoken(cls, tls: TlsOptions | None, info: ValidationInfo) -> TlsOptions | None:
        return require_tls_spoken(tls, info.data.get("security"))

    @field_validator("login")
    @classmethod
    def _login_is_secured(cls, login: MailLogin | None, info: ValidationInfo) -> MailLogin | None:
        return require_secured(login, info.data.get("security"))
