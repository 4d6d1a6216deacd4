"""What requests are made of, as every kind of target that speaks HTTP takes it."""

import json
import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tocsin.domain.targets.model import MayBeSecret
from tocsin.domain.targets.rules import Rule, matches, matches_not
from tocsin.domain.targets.secrets import PLACEHOLDER

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
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
ASCII: Final = matches(r"^[\x00-\x7f]*$", "must be ASCII; percent-encode other characters, or encode them as Base64")
NO_CONTROL: Final = matches_not(
    r"[\x00-\x08\x0a-\x1f\x7f]", "must not contain control characters such as line breaks; leave them out"
)
NO_NUL: Final = matches_not(r"\x00", "must not contain the character NUL; leave it out")


def _validate_header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(_HEADER_NAME.message)
    if name.lower() in _FRAMING_HEADERS:
        raise ValueError(_NOT_FRAMING.message)
    return name


def _validate_header_value(value: str) -> str:
    if not value.isascii():
        raise ValueError(ASCII.message)
    if any(not character.isprintable() and character != "\t" for character in value):
        raise ValueError(NO_CONTROL.message)
    return value


def _validate_text(text: str) -> str:
    # PostgreSQL stores no NUL in text or JSON.
    if "\0" in text:
        raise ValueError(NO_NUL.message)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be characters that UTF-8 has; leave out halves of surrogate pairs") from None
    return text


# CEL cannot parse JSON, but it can tell a form or a bare word from it.
_JSON: Final = matches(r"^\s*(?:[\[{\x220-9-]|true|false|null)", 'must be JSON, such as {"ping": true}')


def _validate_json(text: str) -> str:
    if text != PLACEHOLDER:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            # The cause quotes a part of it, which may be a secret.
            raise ValueError(_JSON.message) from None
    return text


# They stand behind a Field with the length: what is too long or too short is then told as such.
IS_HEADER_TEXT: Final = AfterValidator(_validate_header_value)
IS_TEXT: Final = AfterValidator(_validate_text)
JsonText = Annotated[str, Field(max_length=65536), IS_TEXT, AfterValidator(_validate_json), _JSON]


class HttpHeader(BaseModel):
    """One header of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[
        str, Field(min_length=1, max_length=100), AfterValidator(_validate_header_name), _HEADER_NAME, _NOT_FRAMING
    ] = Field(description="Header name, such as Accept.")
    value: Annotated[str, Field(max_length=4096), IS_HEADER_TEXT, ASCII, NO_CONTROL, MayBeSecret()] = Field(
        description="Header value, without line breaks."
    )


class HttpParameter(BaseModel):
    """One parameter of a URL or a form, which is encoded as it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=200), IS_TEXT, NO_NUL] = Field(
        description="Name of the parameter."
    )
    value: Annotated[str, Field(max_length=4096), IS_TEXT, NO_NUL, MayBeSecret()] = Field(
        description="Value of the parameter."
    )
