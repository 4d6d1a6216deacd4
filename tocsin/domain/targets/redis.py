"""A Redis or Valkey server that must answer, and keep what it is given."""

from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tocsin.domain.facts import Source
from tocsin.domain.targets.addresses import Host, IpFamily, Port
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.rules import Need, matches
from tocsin.domain.targets.tls_options import TlsOptions

_DEFAULT_USER: Final = "default"
_NEEDS_PASSWORD: Final = Need(
    "password",
    f"has(self.user) && self.user != '{_DEFAULT_USER}' && !has(self.passwordFrom)",
    "is missing, and without it nobody logs in; give it, or leave out user",
)
_NOTHING_INVISIBLE: Final = matches(
    r"^[^\x00-\x20\x7f]*$", "must not contain spaces or control characters; leave them out"
)


def _validate_visible(text: str) -> str:
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError(_NOTHING_INVISIBLE.message)
    return text


class RedisTarget(Target):
    """A Redis or Valkey server that must answer PING, and keep a key for a moment where a prefix is given."""

    kind: ClassVar[str] = "redis"
    needs: ClassVar[tuple[Need, ...]] = (_NEEDS_PASSWORD,)
    sources: ClassVar[frozenset[Source]] = frozenset({Source.STATUS, Source.CERTIFICATE})

    host: Host = Field(description="Host name, or IP address without brackets.")
    port: Port = Field(default=6379, description="Port, from 1 to 65535.")
    ip_family: IpFamily = Field(default=IpFamily.ANY, description="Which addresses of the host are probed.")
    tls: TlsOptions | None = Field(default=None, description="How the connection is secured; without it, it is not.")
    user: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_validate_visible), _NOTHING_INVISIBLE] = (
        Field(default=_DEFAULT_USER, description="Account to log in as.")
    )
    password: Annotated[Annotated[str, Field(max_length=1024)] | None, MayBeSecret()] = Field(
        default=None, validate_default=True, description="Its password; without it, nobody logs in."
    )
    database: Annotated[int, Field(strict=True, ge=0, le=65_535)] = Field(
        default=0, description="Number of the database to use."
    )
    key_prefix: (
        Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_validate_visible), _NOTHING_INVISIBLE]
        | None
    ) = Field(
        default=None,
        description="Under it a key with a name of its own is set, read and deleted; it expires if it cannot be.",
    )

    @field_validator("password")
    @classmethod
    def _an_account_has_a_password(cls, password: str | None, info: ValidationInfo) -> str | None:
        if password is None and info.data.get("user", _DEFAULT_USER) != _DEFAULT_USER:
            raise ValueError(_NEEDS_PASSWORD.message)
        return password
