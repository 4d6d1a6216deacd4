"""What is expected of the facts that a probe noted, and what of it is not met.

Pure, and as dear as what is expected and seen: who judges bounds it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

import orjson

from tocsin.domain.comparisons import AssertionOperator, as_number, is_fulfilled
from tocsin.domain.evidence_texts import masked_header
from tocsin.domain.expressions import EvaluationError, holds, sources_of
from tocsin.domain.fact_values import NoValueError, values_of, variables, with_document
from tocsin.domain.facts import Facts, Source
from tocsin.domain.json_schemas import mismatch

SHOWN_CHARACTERS: Final = 200
_MISMATCH_CHARACTERS: Final = 60  # so that what is wrong with it is shown as well
_NOTHING: Final = "nothing"
_NO_TLS: Final = f"{_NOTHING}: there was no TLS"


class AssertionSeverity(StrEnum):
    """What becomes of a check when it is not met."""

    DOWN = "DOWN"
    DEGRADED = "DEGRADED"


class Assertion(Protocol):
    """What one part of what was seen must be."""

    @property
    def source(self) -> Source: ...
    @property
    def path(self) -> str | None: ...
    @property
    def operator(self) -> AssertionOperator: ...
    @property
    def value(self) -> str | None: ...
    @property
    def severity(self) -> AssertionSeverity: ...


class Condition(Protocol):
    """What must be true of what was seen, in CEL."""

    @property
    def expression(self) -> str: ...
    @property
    def severity(self) -> AssertionSeverity: ...


@dataclass(frozen=True, slots=True)
class FailedAssertion:
    """An assertion that is not met, or a condition: it has no source, path and operator, and expects its expression.

    `index` is its place among its kind. `actual` is JSON, or says in words why there is nothing; it may be longer than
    what is shown of it, and hold secrets, which are looked for before it is cut.
    """

    index: int
    source: Source | None
    path: str | None
    operator: AssertionOperator | None
    expected: str
    actual: str
    severity: AssertionSeverity

    def __str__(self) -> str:
        if self.source is None:
            return f"condition failed: {self.expected}, was {self.actual}"
        said = (self.source, self.path, self.operator, self.expected)
        return f"assertion failed: {' '.join(part for part in said if part)}, was {self.actual}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is not met, in the order of its definition: assertions first."""

    failed: tuple[FailedAssertion, ...] = ()

    @property
    def severity(self) -> AssertionSeverity | None:
        """The worst of them; None when all is met."""
        severities = {failure.severity for failure in self.failed}
        return next((each for each in AssertionSeverity if each in severities), None)


def wanted_sources(assertions: Iterable[Assertion], conditions: Iterable[Condition]) -> frozenset[Source]:
    """What is looked at."""
    return frozenset({each.source for each in assertions}).union(*(sources_of(each.expression) for each in conditions))


def judge(
    assertions: Sequence[Assertion],
    conditions: Sequence[Condition],
    facts: Facts,
    characters: int = SHOWN_CHARACTERS,
) -> Judgement:
    """Compare what was seen with what is expected; of an actual value, so many characters are told."""
    if Source.JSON in wanted_sources(assertions, conditions):
        facts = with_document(facts)
    failed = [_judge_assertion(index, each, facts, characters) for index, each in enumerate(assertions)]
    failed += [_judge_condition(index, each, facts) for index, each in enumerate(conditions)]
    return Judgement(tuple(failure for failure in failed if failure))


def _judge_assertion(index: int, assertion: Assertion, facts: Facts, characters: int) -> FailedAssertion | None:
    actual = _difference(assertion, facts, characters)
    if actual is None:
        return None
    expected = _expected(assertion)
    return FailedAssertion(
        index, assertion.source, assertion.path, assertion.operator, expected, actual[:characters], assertion.severity
    )


def _difference(assertion: Assertion, facts: Facts, characters: int) -> str | None:
    """What was seen instead; None where the assertion is met. Of several values, each must meet it."""
    try:
        values = values_of(facts, assertion.source, assertion.path)
    except NoValueError as exc:
        return f"{_NOTHING}: {exc}"
    if not values:
        return None if assertion.operator is AssertionOperator.NOT_EXISTS else _absence(assertion, facts)
    return next(_differences(assertion, values, characters), None)


def _absence(assertion: Assertion, facts: Facts) -> str:
    is_of_tls = assertion.source is Source.CERTIFICATE and facts.get(Source.CERTIFICATE) is None
    return _NO_TLS if is_of_tls or (assertion.source, assertion.path) == (Source.LATENCY, "tls") else _NOTHING


def _differences(assertion: Assertion, values: Sequence[Any], characters: int) -> Iterator[str]:
    expected = assertion.value or ""
    if assertion.operator is AssertionOperator.MATCHES_SCHEMA:
        found = filter(None, (mismatch(expected, each) for each in values))
        return (f"{shown(value, _MISMATCH_CHARACTERS)} {where}" for value, where in found)
    wrong = (each for each in values if not is_fulfilled(assertion.operator, each, expected))
    return (shown(_masked(assertion, each), characters) for each in wrong)


def _masked(assertion: Assertion, actual: object) -> object:
    """Without what gives access, as a session's cookie."""
    if assertion.source is Source.HEADER and isinstance(actual, str):
        return masked_header(assertion.path or "", actual)
    return actual


def _expected(assertion: Assertion) -> str:
    """The value as an actual one would be shown; a schema is too long to be."""
    value = assertion.value
    if value is None or assertion.operator is AssertionOperator.MATCHES_SCHEMA:
        return ""
    return value if as_number(value) is not None else shown(value, SHOWN_CHARACTERS)


def _judge_condition(index: int, condition: Condition, facts: Facts) -> FailedAssertion | None:
    expression = condition.expression
    sources = sources_of(expression)
    try:
        actual = None if holds(expression, variables(facts, sources)) else "false"
    except (EvaluationError, NoValueError) as exc:
        actual = _NO_TLS if Source.CERTIFICATE in sources - facts.keys() else f"{_NOTHING}: {exc}"
    if actual is None:
        return None
    return FailedAssertion(index, None, None, None, expression[:SHOWN_CHARACTERS], actual, condition.severity)


def shown(value: object, characters: int) -> str:
    """A value as JSON, or the first of it."""
    if isinstance(value, str):
        value = value[:characters].encode("utf-8", "replace").decode()
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
