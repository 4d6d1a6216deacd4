"""Which expectations cost so little, whatever was seen, that they can be judged where others wait."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tocsin.domain.assertions import Assertion, Condition
from tocsin.domain.comparisons import AssertionOperator
from tocsin.domain.expressions import is_linear, sources_of
from tocsin.domain.facts import Facts, Source
from tocsin.domain.json_paths import is_singular
from tocsin.domain.patterns import compile_pattern

# So many characters of JSON take up to 4 ms to read and compare, or to be converted for CEL.
LIGHT_CHARACTERS: Final = 8192
# A pattern takes up to 8 ns for each of its instructions and each byte: 1.6 ms, all of a check together.
_LIGHT_STEPS: Final = 200_000
# How many characters of a text cost as much as one of JSON.
_AS_DEAR_AS_JSON: Final = {Source.BODY: 64, Source.HEADER: 8, Source.RECORD: 8, Source.JSON: 1}
_PATTERNS: Final = (AssertionOperator.MATCHES, AssertionOperator.NOT_MATCHES)


def are_light(assertions: Sequence[Assertion], conditions: Sequence[Condition], facts: Facts) -> bool:
    """Whether judging them takes some milliseconds at most, and memory in proportion to what was seen."""
    if not all(map(_is_linear, assertions)) or not all(is_linear(each.expression) for each in conditions):
        return False
    looks = list(_looks(assertions, conditions))
    sizes = {source: _characters(source, facts) for source in set(looks)}
    steps = sum(_instructions(each) * _characters(each.source, facts) for each in assertions)
    work = sum(sizes[source] // _AS_DEAR_AS_JSON.get(source, 1) for source in looks)
    return work <= LIGHT_CHARACTERS and steps <= _LIGHT_STEPS


def _is_linear(assertion: Assertion) -> bool:
    if assertion.source is not Source.JSON:
        return True
    return assertion.operator is not AssertionOperator.MATCHES_SCHEMA and is_singular(assertion.path or "$")


def _looks(assertions: Sequence[Assertion], conditions: Sequence[Condition]) -> Iterator[Source]:
    """What is looked at, each time that it is."""
    yield from (each.source for each in assertions)
    for condition in conditions:
        yield from sources_of(condition.expression)


def _instructions(assertion: Assertion) -> int:
    return compile_pattern(assertion.value or "").programsize if assertion.operator in _PATTERNS else 0


def _characters(source: Source, facts: Facts) -> int:
    """How large a fact is at most; what was noted as JSON alone may be of any size."""
    if source is Source.JSON and Source.BODY in facts:
        return _characters(Source.BODY, facts)
    return LIGHT_CHARACTERS + 1 if source is Source.JSON and Source.JSON in facts else _length(facts.get(source))


def _length(fact: Any) -> int:  # noqa: ANN401 - any fact
    if isinstance(fact, str):
        return len(fact)
    return sum(map(_length, fact)) if isinstance(fact, Sequence) else 0
