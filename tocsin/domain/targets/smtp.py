"""A mail server that must greet, and may be logged in to and asked for a recipient."""

import re
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

# No spaces, brackets and control characters, which would be more of the command than its address.
_ADDRESS_PATTERN: Final = r"[!-;=?A-~]{1,64}@[!-;=?A-~]{1,253}"
_ADDRESS: Final = matches(
    f"^{_ADDRESS_PATTERN}$",
    "must be a mail address in ASCII such as postmaster@example.com, without a name and brackets",
)
_FOR_A_RECIPIENT: Final = Requirement("sender", "has(self.recipient)", "is for a recipient; give one, or leave it out")


def _validate_address(address: str) -> str:
    if not re.fullmatch(_ADDRESS_PATTERN, address):
        raise ValueError(_ADDRESS.message)
    return address


MailAddress = Annotated[str, Field(min_length=3, max_length=320), AfterValidator(_validate_address), _ADDRESS]


class SmtpTarget(Target):
    """A mail server that must greet, be secured, take a login, and accept a recipient; no mail is sent."""

    kind: ClassVar[str] = "smtp"
    requirements: ClassVar[tuple[Requirement, ...]] = (TLS_IS_SPOKEN, LOGIN_IS_SECURED, _FOR_A_RECIPIENT)
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.BODY, Source.CERTIFICATE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(description="Port, such as 25, 587, or 465 for TLS from the first byte.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    security: Security = Field(default=Security.STARTTLS, description="Whether TLS is spoken, and when.")
    tls: TlsOptions | None = Field(default=None, description="How TLS is spoken, and whom to trust.")
    login: MailLogin | None = Field(default=None, description="Who logs in, by PLAIN or LOGIN; without it, nobody.")
    recipient: MailAddress | None = Field(
        default=None, description="Address for which the server must accept mail; none is sent."
    )
    sender: MailAddress | None = Field(
        default=None, description="Address that the mail would come from; without it, the empty one of notices."
    )

    @field_validator("tls")
    @classmethod
    def _tls_is_spoken(cls, tls: TlsOptions | None, info: ValidationInfo) -> TlsOptions | None:
        return require_tls_spoken(tls, info.data.get("security"))

    @field_validator("login")
    @classmethod
    def _login_is_secured(cls, login: MailLogin | None, info: ValidationInfo) -> MailLogin | None:
        return require_secured(login, info.data.get("security"))

    @field_validator("sender")
    @classmethod
    def _sender_is_for_a_recipient(cls, sender: str | None, info: ValidationInfo) -> str | None:
        if sender is not None and info.data.get("recipient", "") is None:
            raise ValueError(_FOR_A_RECIPIENT.message)
        return sender
