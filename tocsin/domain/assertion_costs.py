"""Which expectations cost so little, whatever was seen, that they can be judged where others wait."""

from collections.abc import Iterable, Sequence
from typing import Final

from tocsin.domain.assertions import Assertion, Condition
from tocsin.domain.comparisons import AssertionOperator
from tocsin.domain.expressions import is_linear, sources_of
from tocsin.domain.facts import Facts, Source
from tocsin.domain.json_paths import is_singular
from tocsin.domain.patterns import compile_pattern

# Content of this size is read as JSON in 0.7 ms at worst, and converted for CEL in as much.
LIGHT_CHARACTERS: Final = 8192
# A pattern takes up to 8 ns for each of its instructions and each byte: 1.6 ms, all of a check together.
_LIGHT_STEPS: Final = 200_000
_CONTENT: Final = frozenset({Source.BODY, Source.JSON})
_PATTERNS: Final = (AssertionOperator.MATCHES, AssertionOperator.NOT_MATCHES)


def are_light(assertions: Sequence[Assertion], conditions: Iterable[Condition], facts: Facts) -> bool:
    """Whether judging them takes some milliseconds at most, and memory in proportion to what was seen."""
    size = _size(facts)
    return (
        all(_is_light(each, size) for each in assertions)
        and all(_is_light_condition(each.expression, size) for each in conditions)
        and sum(_steps(each, facts, size) for each in assertions) <= _LIGHT_STEPS
    )


def _size(facts: Facts) -> int:
    """Of the content in characters; what was noted as JSON alone may be of any size."""
    body = facts.get(Source.BODY)
    return LIGHT_CHARACTERS + 1 if body is None and Source.JSON in facts else len(body or "")


def _is_light(assertion: Assertion, size: int) -> bool:
    if assertion.source is not Source.JSON:
        return True
    is_schema = assertion.operator is AssertionOperator.MATCHES_SCHEMA
    return size <= LIGHT_CHARACTERS and not is_schema and is_singular(assertion.path or "$")


def _is_light_condition(expression: str, size: int) -> bool:
    return is_linear(expression) and (size <= LIGHT_CHARACTERS or not _CONTENT & sources_of(expression))


def _steps(assertion: Assertion, facts: Facts, size: int) -> int:
    if assertion.operator not in _PATTERNS:
        return 0
    return compile_pattern(assertion.value or "").programsize * _searched(assertion.source, facts, size)


def _searched(source: Source, facts: Facts, size: int) -> int:
    if source in _CONTENT:
        return size
    if source is Source.HEADER:
        return sum(len(value) for _, value in facts.get(source, ()))
    return len(str(facts.get(source, "")))
