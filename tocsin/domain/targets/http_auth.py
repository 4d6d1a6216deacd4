"""How a request says who it comes from."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tocsin.domain.targets.http_fields import ASCII, IS_HEADER_TEXT, IS_TEXT, NO_CONTROL, NO_NUL, HttpHeader
from tocsin.domain.targets.model import MayBeSecret
from tocsin.domain.targets.rules import Requirement, matches_not
from tocsin.domain.targets.urls import Url

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_NO_COLON: Final = matches_not(":", "must not contain a colon, which ends a user name in HTTP; leave it out")


def _validate_user_name(name: str) -> str:
    if ":" in name:
        raise ValueError(_NO_COLON.message)
    return name


UserName = Annotated[
    str, Field(min_length=1, max_length=256), IS_TEXT, NO_NUL, AfterValidator(_validate_user_name), _NO_COLON
]
Password = Annotated[str, Field(max_length=1024), IS_TEXT, NO_NUL, MayBeSecret()]


class BasicAuth(BaseModel):
    """A user name and a password in every request (RFC 7617)."""

    model_config = _CONFIG

    username: UserName = Field(description="Name of the user.")
    password: Password = Field(description="Password of the user.")


class DigestAuth(BaseModel):
    """A user name and the proof of a password, in answer to the server's challenge (RFC 7616)."""

    model_config = _CONFIG

    username: UserName = Field(description="Name of the user.")
    password: Password = Field(description="Password of the user.")


class BearerAuth(BaseModel):
    """A token in every request (RFC 6750)."""

    model_config = _CONFIG

    token: Annotated[str, Field(min_length=1, max_length=4096), IS_HEADER_TEXT, ASCII, NO_CONTROL, MayBeSecret()] = (
        Field(description="The token.")
    )


class OAuth2Auth(BaseModel):
    """A token that a token endpoint gives to a client (RFC 6749, client credentials)."""

    model_config = _CONFIG

    token_url: Url = Field(description="URL of the token endpoint.")
    client_id: Annotated[str, Field(min_length=1, max_length=256), IS_TEXT, NO_NUL] = Field(
        description="Id of the client."
    )
    client_secret: Annotated[str, Field(max_length=1024), IS_TEXT, NO_NUL, MayBeSecret()] = Field(
        description="Secret of the client, sent to the token endpoint alone."
    )
    scope: Annotated[str, Field(max_length=1024), IS_TEXT, NO_NUL] | None = Field(
        default=None, description="What to ask for, with spaces between."
    )


class HttpAuth(BaseModel):
    """How a request says who it comes from: exactly one way."""

    model_config = _CONFIG

    one_of: ClassVar[tuple[str, ...]] = ("basic", "bearer", "digest", "oauth2")

    basic: BasicAuth | None = Field(default=None, description=BasicAuth.__doc__)
    bearer: BearerAuth | None = Field(default=None, description=BearerAuth.__doc__)
    digest: DigestAuth | None = Field(default=None, description=DigestAuth.__doc__)
    oauth2: OAuth2Auth | None = Field(default=None, description=OAuth2Auth.__doc__)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len([name for name in self.one_of if getattr(self, name) is not None]) != 1:
            raise ValueError(f"must have exactly one of {', '.join(self.one_of)}")
        return self


ONE_AUTHORIZATION: Final = Requirement(
    "auth",
    "!has(self.headers) || self.headers.all(each, each.name.lowerAscii() != 'authorization')",
    "cannot be combined with a header Authorization; keep one of them",
)


def the_only_authorization(auth: HttpAuth | None, headers: Iterable[HttpHeader]) -> HttpAuth | None:
    """Return the credentials. Raises ValueError where a header gives some too."""
    if auth is not None and any(header.name.lower() == "authorization" for header in headers):
        raise ValueError(ONE_AUTHORIZATION.message)
    return auth
