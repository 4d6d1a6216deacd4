"""What the targets of mail servers have in common: how they are secured, and who logs in."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tocsin.domain.targets.model import MayBeSecret
from tocsin.domain.targets.rules import Requirement, matches_not
from tocsin.domain.targets.security import Security
from tocsin.domain.targets.tls_options import TlsOptions

_NO_CONTROL: Final = matches_not(r"[\x00-\x1f\x7f]", "must not contain control characters such as line breaks")
_SECURED: Final = "!has(self.security) || self.security != 'NONE'"
TLS_IS_SPOKEN: Final = Requirement(
    "tls", _SECURED, "is for the securities STARTTLS and TLS; choose one of them, or leave it out"
)
LOGIN_IS_SECURED: Final = Requirement("login", _SECURED, "would be sent in clear; choose the security STARTTLS or TLS")


def _validate_no_control(text: str) -> str:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError(_NO_CONTROL.message)
    return text


Credential = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_validate_no_control), _NO_CONTROL]


class MailLogin(BaseModel):
    """Who logs in, and by which password."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    username: Annotated[Credential, MayBeSecret()] = Field(description="Name of the account.")
    password: Annotated[Credential, MayBeSecret()] = Field(description="Its password.")


def require_tls_spoken(tls: TlsOptions | None, security: Security | None) -> TlsOptions | None:
    """Return the options. Raises ValueError where nothing is secured."""
    if tls is not None and security is Security.NONE:
        raise ValueError(TLS_IS_SPOKEN.message)
    return tls


def require_secured(login: MailLogin | None, security: Security | None) -> MailLogin | None:
    """Return the login. Raises ValueError where it would be sent in clear."""
    if login is not None and security is Security.NONE:
        raise ValueError(LOGIN_IS_SECURED.message)
    return login
