"""What is sent to a server, and what must come back: as text, hexadecimal, or a pattern."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tocsin.domain.patterns import MAX_PATTERN_LENGTH, compile_pattern
from tocsin.domain.targets.model import MayBeSecret
from tocsin.domain.targets.rules import Need, Requirement, matches, matches_not
from tocsin.domain.targets.secrets import PLACEHOLDER

_MAX_LENGTH: Final = 4096
_TEXT: Final = r"^(?:[^\\]|\\[\\rnt0]|\\x[0-9A-Fa-f]{2})*$"
_HEX: Final = "^(?:[0-9A-Fa-f]{2} ?)+$"
_TEXT_MESSAGE: Final = (
    r"must be text in which a backslash begins \r, \n, \t, \0, \xHH or \\; write a backslash itself as \\"
)
_HEX_MESSAGE: Final = "must be bytes in hexadecimal, such as 16 03 01"
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_ESCAPED: Final = {"\\": b"\\", "r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
_DOES_SOMETHING: Final = Need(
    "expect", "!has(self.send) && !has(self.sendFrom)", "is missing; a step says what to send, what must come, or both"
)
_NO_NUL: Final = matches_not(r"\x00", r"must not contain the character NUL; write it as \0")


class Encoding(StrEnum):
    """How bytes are written."""

    TEXT = "TEXT"
    HEX = "HEX"


class Expectation(StrEnum):
    """How what must come is written."""

    TEXT = "TEXT"
    HEX = "HEX"
    PATTERN = "PATTERN"


def _validate_no_nul(text: str) -> str:
    # PostgreSQL stores no NUL in JSON.
    if "\0" in text:
        raise ValueError(_NO_NUL.message)
    return text


def _readable(field: str, encoding: str) -> tuple[Requirement, ...]:
    """A field's text is as its encoding says; the pattern's own syntax is left to the validator."""
    text = matches(_TEXT, "").expression.replace("self", f"self.{field}")
    hexadecimal = matches(_HEX, "").expression.replace("self", f"self.{field}")
    as_text = f"has(self.{encoding}) && self.{encoding} != 'TEXT'"
    as_hex = f"!has(self.{encoding}) || self.{encoding} != 'HEX'"
    return (
        Requirement(field, f"!has(self.{field}) || {as_text} || {text}", _TEXT_MESSAGE),
        Requirement(field, f"!has(self.{field}) || {as_hex} || {hexadecimal}", _HEX_MESSAGE),
    )


Sent = Annotated[str, Field(min_length=1, max_length=_MAX_LENGTH), AfterValidator(_validate_no_nul), _NO_NUL]
Expected = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_LENGTH), AfterValidator(_validate_no_nul), _NO_NUL]


class SendAndExpect(BaseModel):
    """The fields of an exchange, whose texts are read as the fields before them say."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    requirements: ClassVar[tuple[Requirement, ...]] = (*_readable("send", "sendAs"), *_readable("expect", "expectAs"))

    send_as: Encoding = Field(default=Encoding.TEXT, description="How send is written.")
    send: Annotated[Sent | None, MayBeSecret()] = Field(
        default=None, description=r"What to send; in text, \r, \n, \t, \0, \xHH and \\ stand for bytes."
    )
    expect_as: Expectation = Field(default=Expectation.TEXT, description="How expect is written.")
    expect: Expected | None = Field(
        default=None,
        validate_default=True,
        description="What must come: a text or bytes among what comes, or a pattern of RE2 that fits it.",
    )

    @field_validator("send")
    @classmethod
    def _sent_can_be_read(cls, send: str | None, info: ValidationInfo) -> str | None:
        if send not in (None, PLACEHOLDER):
            to_bytes(send, info.data.get("send_as", Encoding.TEXT))
        return send

    @field_validator("expect")
    @classmethod
    def _expected_can_be_read(cls, expect: str | None, info: ValidationInfo) -> str | None:
        expect_as = info.data.get("expect_as", Expectation.TEXT)
        if expect is not None and expect_as is Expectation.PATTERN:
            compile_pattern(expect)
        elif expect is not None:
            to_bytes(expect, Encoding(expect_as))
        return expect


class TcpStep(SendAndExpect):
    """Something to send, something that must come, or first the one and then the other."""

    needs: ClassVar[tuple[Need, ...]] = (_DOES_SOMETHING,)

    @field_validator("expect")
    @classmethod
    def _something_is_done(cls, expect: str | None, info: ValidationInfo) -> str | None:
        if expect is None and "send" in info.data and info.data["send"] is None:
            raise ValueError(_DOES_SOMETHING.message)
        return expect


def to_bytes(written: str, encoding: Encoding) -> bytes:
    """The bytes that a text or hexadecimal stands for. Raises ValueError."""
    if encoding is Encoding.HEX:
        if not re.fullmatch(_HEX, written):
            raise ValueError(_HEX_MESSAGE)
        return bytes.fromhex(written)
    if not re.fullmatch(_TEXT, written):
        raise ValueError(_TEXT_MESSAGE)
    parts = _ESCAPE.split(written)
    return b"".join(_escaped(part) if index % 2 else part.encode() for index, part in enumerate(parts))


def _escaped(name: str) -> bytes:
    return _ESCAPED.get(name) or bytes.fromhex(name[1:])
