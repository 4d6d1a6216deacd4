"""What is judged at once, and what in a process of its own."""

from typing import Any

import pytest

from tocsin.domain.assertion_costs import LIGHT_CHARACTERS, are_light
from tocsin.domain.facts import Facts, Source
from tocsin.domain.targets.assertions import Assertion, Condition

SMALL: Facts = {Source.STATUS: 200, Source.HEADER: (("Age", "1"),), Source.BODY: '{"a": [1]}'}
LARGE: Facts = {**SMALL, Source.BODY: f'"{"a" * LIGHT_CHARACTERS}"'}
# Of some 1,000 instructions.
LARGE_PATTERN = "(a{0,30}b){0,30}c"


def assertions(*all_fields: dict[str, Any]) -> list[Assertion]:
    return [Assertion.model_validate(fields) for fields in all_fields]


ON_JSON = {"source": "JSON", "path": "$.a[0]", "operator": "EQUALS", "value": "1"}


@pytest.mark.parametrize(
    ("fields", "facts", "light"),
    [
        ({"source": "STATUS", "operator": "EQUALS", "value": "200"}, LARGE, True),
        ({"source": "BODY", "operator": "CONTAINS", "value": "a"}, LARGE, True),
        (ON_JSON, SMALL, True),
        (ON_JSON, LARGE, False),
        ({**ON_JSON, "path": "$.a[*]"}, SMALL, False),
        ({**ON_JSON, "path": "$..a"}, SMALL, False),
        ({"source": "JSON", "operator": "MATCHES_SCHEMA", "value": "{}"}, SMALL, False),
        (ON_JSON, {Source.JSON: {"a": [1]}}, False),
        ({"source": "BODY", "operator": "MATCHES", "value": "^ok$"}, LARGE, True),
        ({"source": "BODY", "operator": "NOT_MATCHES", "value": LARGE_PATTERN}, LARGE, False),
        ({"source": "BODY", "operator": "MATCHES", "value": LARGE_PATTERN}, SMALL, True),
        ({"source": "HEADER", "path": "age", "operator": "MATCHES", "value": LARGE_PATTERN}, LARGE, True),
        ({"source": "RECORD", "operator": "MATCHES", "value": LARGE_PATTERN}, {Source.RECORD: ("a" * 9999,)}, False),
    ],
)
def test_an_assertion_is_light_where_it_is_linear_in_little(fields: dict[str, Any], facts: Facts, light: bool) -> None:
    assert are_light(assertions(fields), [], facts) is light


@pytest.mark.parametrize(
    ("expression", "facts", "light"),
    [
        ("status == 200", LARGE, True),
        ("json.a[0] == 1", SMALL, True),
        ("json.a[0] == 1", LARGE, False),
        ("body.contains('a')", LARGE, True),
        ("headers.age == '1'", {Source.HEADER: (("Age", "1" * 99_999),)}, False),
        ("json.a.all(each, each == 1)", SMALL, False),
        ("body.matches('a')", SMALL, False),
    ],
)
def test_a_condition_is_light_where_it_is_linear_in_little(expression: str, facts: Facts, light: bool) -> None:
    assert are_light([], [Condition(expression=expression)], facts) is light


def test_patterns_are_light_together_or_not_at_all() -> None:
    one = {"source": "BODY", "operator": "MATCHES", "value": "a{100}b"}
    facts: Facts = {Source.BODY: "a" * 1500}
    assert are_light(assertions(one), [], facts)
    assert not are_light(assertions(one, one), [], facts)


def test_what_is_looked_at_often_is_dear() -> None:
    facts: Facts = {Source.BODY: f'"{"a" * (LIGHT_CHARACTERS // 2 - 2)}"'}
    assert are_light(assertions(ON_JSON, ON_JSON), [], facts)
    assert not are_light(assertions(ON_JSON, ON_JSON, ON_JSON), [], facts)
    assert not are_light(assertions(ON_JSON, ON_JSON), [Condition(expression="json == 1")], facts)


def test_one_that_is_dear_makes_all_of_a_check_dear() -> None:
    assert not are_light(assertions(ON_JSON, {**ON_JSON, "path": "$..a"}), [], SMALL)
