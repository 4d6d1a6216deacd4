"""What a target's answer must be beyond its kind's own expectations: for every kind, on what it notes of the answer."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tocsin.domain.assertions import AssertionSeverity
from tocsin.domain.comparisons import AssertionOperator
from tocsin.domain.expressions import MAX_EXPRESSION_LENGTH
from tocsin.domain.facts import CERTIFICATE_FIELDS, LATENCY_PHASES, ROUND_TRIP_FIGURES, Source
from tocsin.domain.json_paths import MAX_PATH_LENGTH, NO_PATH_MESSAGE, compile_path
from tocsin.domain.json_schemas import MAX_SCHEMA_LENGTH, validate_schema
from tocsin.domain.patterns import MAX_PATTERN_LENGTH, compile_pattern
from tocsin.domain.targets.rules import Need, Requirement, matches_not

MAX_ASSERTIONS: Final = 20
MAX_CONDITIONS: Final = 10

_NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_PATH_NEEDED: Final = (Source.HEADER, Source.CERTIFICATE)
_NO_PATH: Final = (Source.STATUS, Source.BODY, Source.SIZE, Source.RECORD, Source.LOSS)
_NUMBERS: Final = (Source.SIZE, Source.LATENCY, Source.LOSS, Source.ROUND_TRIP)
_ON_EXISTENCE: Final = (AssertionOperator.EXISTS, AssertionOperator.NOT_EXISTS)
_ON_EQUALITY: Final = (AssertionOperator.EQUALS, AssertionOperator.NOT_EQUALS)
_ON_ORDER: Final = (
    AssertionOperator.LESS,
    AssertionOperator.LESS_OR_EQUAL,
    AssertionOperator.GREATER,
    AssertionOperator.GREATER_OR_EQUAL,
)
_ON_NUMBERS: Final = (*_ON_EQUALITY, *_ON_ORDER, *_ON_EXISTENCE)
_ON_PATTERNS: Final = (AssertionOperator.MATCHES, AssertionOperator.NOT_MATCHES)

_NEEDS_PATH: Final = "is missing; name the header, or the field of the certificate"
_HAS_NO_PATH: Final = f"is not for {', '.join(_NO_PATH)}; leave it out"
_NEEDS_VALUE: Final = "is missing; only EXISTS and NOT_EXISTS do without"
_HAS_NO_VALUE: Final = "is not for EXISTS and NOT_EXISTS; leave it out"
_NUMBERS_ONLY: Final = f"must be one of {', '.join(_ON_NUMBERS)}: {', '.join(_NUMBERS)} are numbers"
_SCHEMA_OF_JSON: Final = "must not be MATCHES_SCHEMA: only JSON is compared with a schema"
_NO_ORDER: Final = "must not ask for an order: BODY and RECORD are texts; choose JSON for a number in the content"
_A_NUMBER: Final = "must be a number, such as 200 or 0.5"
_NO_NUL: Final = matches_not(r"\x00", "must not contain the character NUL; leave it out")


def _validate_text(text: str) -> str:
    if "\0" in text:  # PostgreSQL stores none in text or JSON.
        raise ValueError(_NO_NUL.message)
    return text


def _in_cel(names: tuple[str, ...]) -> str:
    return f"[{', '.join(repr(str(name)) for name in names)}]"


def _one_of(names: tuple[str, ...]) -> Callable[[str], object]:
    def validate(path: str) -> None:
        if path not in names:
            raise ValueError(_choice(names))

    return validate


def _choice(names: tuple[str, ...]) -> str:
    return f"must be one of {', '.join(names)}"


def _validate_header_name(name: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("must be the name of a header: letters, digits and !#$%&'*+-.^_`|~")


_FIELDS: Final[Mapping[Source, tuple[str, ...]]] = {
    Source.LATENCY: LATENCY_PHASES,
    Source.CERTIFICATE: CERTIFICATE_FIELDS,
    Source.ROUND_TRIP: ROUND_TRIP_FIGURES,
}
_PATHS: Final[Mapping[Source, Callable[[str], object]]] = {
    Source.HEADER: _validate_header_name,
    Source.JSON: compile_path,
    **{source: _one_of(names) for source, names in _FIELDS.items()},
}


_Path = Annotated[str, Field(min_length=1, max_length=MAX_PATH_LENGTH), AfterValidator(_validate_text), _NO_NUL]
_Value = Annotated[str, Field(max_length=MAX_SCHEMA_LENGTH), AfterValidator(_validate_text), _NO_NUL]


class Assertion(BaseModel):
    """What one part of the answer must be. Of several values, each must be so."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    requirements: ClassVar[tuple[Requirement, ...]] = (
        Requirement("path", f"!(self.source in {_in_cel(_NO_PATH)})", _HAS_NO_PATH),
        Requirement("path", "self.source != 'JSON' || self.path.startsWith('$')", NO_PATH_MESSAGE),
        *(
            Requirement("path", f"self.source != '{source}' || self.path in {_in_cel(names)}", _choice(names))
            for source, names in _FIELDS.items()
        ),
        Requirement("value", f"!(self.operator in {_in_cel(_ON_EXISTENCE)})", _HAS_NO_VALUE),
        Requirement(
            "value",
            f"!(self.operator in {_in_cel(_ON_ORDER)} || self.source in {_in_cel(_NUMBERS)}) || "
            f'self.value.matches(r"^{_NUMBER}$")',
            _A_NUMBER,
        ),
        Requirement(
            "operator",
            f"!(self.source in {_in_cel(_NUMBERS)}) || self.operator in {_in_cel(_ON_NUMBERS)}",
            _NUMBERS_ONLY,
        ),
        Requirement("operator", "self.source == 'JSON' || self.operator != 'MATCHES_SCHEMA'", _SCHEMA_OF_JSON),
        Requirement(
            "operator",
            f"!(self.source in ['BODY', 'RECORD']) || !(self.operator in {_in_cel(_ON_ORDER)})",
            _NO_ORDER,
        ),
    )
    needs: ClassVar[tuple[Need, ...]] = (
        Need("path", f"self.source in {_in_cel(_PATH_NEEDED)}", _NEEDS_PATH),
        Need("value", f"!(self.operator in {_in_cel(_ON_EXISTENCE)})", _NEEDS_VALUE),
    )

    source: Source = Field(description="What is looked at. Which there are depends on the kind.")
    path: _Path | None = Field(
        default=None,
        validate_default=True,
        description="Name of a header, JSONPath (RFC 9535; default: $), phase of LATENCY (default: total), field of "
        "CERTIFICATE, or figure of ROUND_TRIP (default: mean).",
    )
    operator: AssertionOperator = Field(description="How it is compared with the value.")
    value: _Value | None = Field(
        default=None,
        validate_default=True,
        description="What it is compared with: as it is with a text, read as JSON with anything else. Times are in "
        "milliseconds, sizes in bytes.",
    )
    severity: AssertionSeverity = Field(
        default=AssertionSeverity.DOWN, description="What the check is when this is not met."
    )

    @field_validator("path")
    @classmethod
    def _path_fits_the_source(cls, path: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if path is None:
            if source in _PATH_NEEDED:
                raise ValueError(_NEEDS_PATH)
        elif source in _NO_PATH:
            raise ValueError(_HAS_NO_PATH)
        elif source is not None:
            _PATHS[source](path)
        return path

    @field_validator("operator")
    @classmethod
    def _operator_fits_the_source(cls, operator: AssertionOperator, info: ValidationInfo) -> AssertionOperator:
        source = info.data.get("source")
        if source in _NUMBERS and operator not in _ON_NUMBERS:
            raise ValueError(_NUMBERS_ONLY)
        if operator is AssertionOperator.MATCHES_SCHEMA and source not in (Source.JSON, None):
            raise ValueError(_SCHEMA_OF_JSON)
        if operator in _ON_ORDER and source in (Source.BODY, Source.RECORD):
            raise ValueError(_NO_ORDER)
        return operator

    @field_validator("value")
    @classmethod
    def _value_fits_the_operator(cls, value: str | None, info: ValidationInfo) -> str | None:
        operator = info.data.get("operator")
        if operator is None:
            return value
        if (value is None) is not (operator in _ON_EXISTENCE):
            raise ValueError(_NEEDS_VALUE if value is None else _HAS_NO_VALUE)
        if value is not None:
            _validate_value(value, operator, info.data.get("source"))
        return value


def _validate_value(value: str, operator: AssertionOperator, source: Source | None) -> None:
    if operator is AssertionOperator.MATCHES_SCHEMA:
        validate_schema(value)
    elif operator in _ON_PATTERNS:
        _validate_pattern(value)
    elif (operator in _ON_ORDER or source in _NUMBERS) and not re.fullmatch(_NUMBER, value):
        raise ValueError(_A_NUMBER)


def _validate_pattern(value: str) -> None:
    if len(value) > MAX_PATTERN_LENGTH:
        raise ValueError(f"must be a pattern of at most {MAX_PATTERN_LENGTH} characters")
    compile_pattern(value)


class Condition(BaseModel):
    """What must be true of the answer, in CEL."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    expression: Annotated[
        str, Field(min_length=1, max_length=MAX_EXPRESSION_LENGTH), AfterValidator(_validate_text), _NO_NUL
    ] = Field(
        description="True or false, such as json.items.size() > 0. The variables are what the kind knows of: status, "
        "headers (by names in small letters), body, json, size, records, latency, certificate, loss, roundTrip."
    )
    severity: AssertionSeverity = Field(
        default=AssertionSeverity.DOWN, description="What the check is when this is not true."
    )


Assertions = Annotated[tuple[Assertion, ...], Field(max_length=MAX_ASSERTIONS)]
Conditions = Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)]
