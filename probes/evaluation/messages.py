"""What the worker and its evaluators tell one another: JSON, as what comes back may have been made by a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin.domain.assertions import (
    Assertion,
    AssertionSeverity,
    Condition,
    FailedAssertion,
    Judgement,
    wanted_sources,
)
from tocsin.domain.comparisons import AssertionOperator
from tocsin.domain.facts import Facts, Source


@dataclass(frozen=True, slots=True)
class PlainAssertion:
    """An assertion that was validated where it was defined."""

    source: Source
    path: str | None
    operator: AssertionOperator
    value: str | None
    severity: AssertionSeverity


@dataclass(frozen=True, slots=True)
class PlainCondition:
    """A condition that was validated where it was defined."""

    expression: str
    severity: AssertionSeverity


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be judged; of an actual value, so many characters are told."""

    assertions: tuple[PlainAssertion, ...]
    conditions: tuple[PlainCondition, ...]
    facts: Facts
    characters: int


def encode_request(
    assertions: Sequence[Assertion], conditions: Sequence[Condition], facts: Facts, characters: int
) -> bytes:
    """With those facts that are looked at."""
    wanted = wanted_sources(assertions, conditions)
    if Source.JSON in wanted and Source.JSON not in facts:
        wanted |= {Source.BODY}
    return orjson.dumps(
        [
            [[each.source, each.path, each.operator, each.value, each.severity] for each in assertions],
            [[each.expression, each.severity] for each in conditions],
            {source.value: _sendable(fact) for source, fact in facts.items() if source in wanted},
            characters,
        ],
        default=str,
    )


def _sendable(fact: Any) -> Any:  # noqa: ANN401 - any fact
    if isinstance(fact, str):  # Some character sets let halves of surrogate pairs through, which JSON has no form for.
        return fact.encode("utf-8", "replace").decode()
    return list(fact) if isinstance(fact, Sequence) else fact


def decode_request(request: bytes) -> Request:
    assertions, conditions, facts, characters = orjson.loads(request)
    return Request(
        tuple(
            PlainAssertion(Source(source), path, AssertionOperator(operator), value, AssertionSeverity(severity))
            for source, path, operator, value, severity in assertions
        ),
        tuple(PlainCondition(expression, AssertionSeverity(severity)) for expression, severity in conditions),
        {Source(source): fact for source, fact in facts.items()},
        characters,
    )


def encode_judgement(judgement: Judgement) -> bytes:
    return orjson.dumps(
        [
            [each.index, each.source, each.path, each.operator, each.expected, each.actual, each.severity]
            for each in judgement.failed
        ]
    )


def decode_judgement(answer: bytes) -> Judgement:
    return Judgement(
        tuple(
            FailedAssertion(
                index,
                None if source is None else Source(source),
                path,
                None if operator is None else AssertionOperator(operator),
                expected,
                actual,
                AssertionSeverity(severity),
            )
            for index, source, path, operator, expected, actual, severity in orjson.loads(answer)
        )
    )
