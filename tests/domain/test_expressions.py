"""Conditions in CEL: what they see, what they tell, and what bounds them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.assertions import Judgement, judge
from tocsin.domain.expressions import (
    EvaluationError,
    holds,
    is_linear,
    sources_of,
    validate_expression,
)
from tocsin.domain.facts import Facts, Source
from tocsin.domain.targets.assertions import Condition

ALL = frozenset(Source)
FACTS: Facts = {
    Source.STATUS: 200,
    Source.HEADER: (("Content-Type", "text/html"), ("Vary", "Accept"), ("vary", "Origin")),
    Source.BODY: '{"items": [{"n": 1}, {"n": 5}], "price": 1.5, "big": 18446744073709551615}',
    Source.SIZE: 96,
    Source.RECORD: ("192.0.2.1", "192.0.2.2"),
    Source.LATENCY: {"total": 120.5},
    Source.CERTIFICATE: {"days": 13.5, "names": ["example.com"]},
    Source.LOSS: 20.0,
    Source.ROUND_TRIP: {"max": 9.0},
}


def judged(expression: str, facts: Facts = FACTS) -> Judgement:
    return judge([], [Condition(expression=validate_expression(expression, ALL))], facts)


@pytest.mark.parametrize(
    "expression",
    [
        "status == 200",
        "status in [200, 204]",
        "headers['content-type'].startsWith('text/')",
        "headers.vary == 'Accept, Origin'",
        "!has(headers.location)",
        "body.contains('items')",
        "body.matches('n.: 5')",
        "json.items.size() == 2",
        "json.items.all(item, item.n > 0)",
        "json.items.exists(item, item.n == 5.0)",
        "json.items.map(item, item.n) == [1, 5]",
        "json.price > 1",
        "json.big == 18446744073709551615u",
        "!has(json.error) || json.error == ''",
        "size < 1000",
        "'192.0.2.1' in records",
        "records.all(record, record.startsWith('192.'))",
        "latency.total < 300 && latency.total > 100.5",
        "certificate.days < 14 && 'example.com' in certificate.names",
        "loss < 50",
        "roundTrip.max < 10",
        "status == 200 ? size > 0 : json.reason != ''",
    ],
)
def test_a_condition_sees_the_facts_by_name(expression: str) -> None:
    assert judged(expression) == Judgement()


@pytest.mark.parametrize(
    ("expression", "actual"),
    [
        ("status == 500", "false"),
        ("json.items.size() > 5", "false"),
        ("json.nothing == 1", 'nothing: Key not found in map : "nothing"'),
        ("json.items > 5", "nothing: No matching overloads found : _>_(list, int64)"),
        ("json.price", "nothing: neither true nor false"),
        ("1 / json.items.filter(item, item.n > 9).size() == 1", "nothing: divide by zero"),
    ],
)
def test_a_condition_that_is_not_true_tells_why(expression: str, actual: str) -> None:
    [failed] = judged(expression).failed
    assert (failed.source, failed.expected, failed.actual) == (None, expression, actual)
    assert str(failed) == f"condition failed: {expression}, was {actual}"


@pytest.mark.parametrize(
    "expression",
    ["headers['Server'] == 'a'", 'headers [ "Server" ] == ""', "headers.Server == ''", "'Server' in headers"],
)
def test_a_header_that_is_named_with_capitals_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"must name headers in small letters: .?server.? in place of .?Server"):
        validate_expression(expression, ALL)


@pytest.mark.parametrize(
    "expression",
    ["json.headers['Server'] == 1", "body == \"headers['Server']\"", "headers.server == 'A'", "'a' in headers // A"],
)
def test_capitals_elsewhere_are_none_of_a_header(expression: str) -> None:
    assert validate_expression(expression, ALL) == expression


@pytest.mark.parametrize("expression", ["latency < 300", "certificate > 14.0", "roundTrip == 3", "300 > latency"])
def test_what_has_several_figures_is_not_compared_as_a_whole(expression: str) -> None:
    with pytest.raises(ValueError, match=r"no matching overload.*; name one of its figures, as in latency\.total"):
        validate_expression(expression, ALL)


def test_what_was_not_seen_is_no_variable() -> None:
    [failed] = judged("status == 200", {}).failed
    assert failed.actual == 'nothing: No value with name "status" found in Activation'


def test_content_that_is_no_json_makes_no_condition_about_json_true() -> None:
    [failed] = judged("!has(json.error)", {Source.BODY: "<html>"}).failed
    assert failed.actual.startswith("nothing: the content is no JSON")


def test_an_evaluation_ends_after_10_000_iterations_however_they_are_nested() -> None:
    numbers = list(range(200))
    with pytest.raises(EvaluationError, match=r"iterates more than 10,000 times"):
        holds("json.all(a, json.all(b, a + b >= 0))", {"json": numbers})
    assert holds("json.all(a, a >= 0)", {"json": numbers})


def test_patterns_take_linear_time() -> None:
    assert not holds("body.matches('^(a+)+$')", {"body": "a" * 100_000 + "!"})


@pytest.mark.parametrize("body", ["\ud800", "\0", "\ufffe"])
def test_no_text_breaks_an_evaluation(body: str) -> None:
    with suppress(EvaluationError):
        assert holds("body.size() >= 0", {"body": body})


@pytest.mark.parametrize(
    ("expression", "sources"),
    [
        ("true", set()),
        ("status == 200 && headers.a == 'json'", {Source.STATUS, Source.HEADER}),
        ('json.a == """body""" // latency', {Source.JSON}),
        ("roundTrip.max < 1", {Source.ROUND_TRIP}),
    ],
)
def test_an_expression_needs_what_it_names(expression: str, sources: set[Source]) -> None:
    assert sources_of(expression) == sources


@pytest.mark.parametrize(
    ("expression", "linear"),
    [
        ("status == 200 && body.contains('a')", True),
        ("body == '.all('", True),
        ("json.all(a, a > 1)", False),
        ("json . exists_one (a, a > 1)", False),
        ("json + json == []", False),
        ("body.matches('a')", False),
        ("matches(body, 'a')", False),
    ],
)
def test_what_iterates_matches_or_adds_is_not_linear(expression: str, linear: bool) -> None:
    assert is_linear(expression) is linear


@pytest.mark.parametrize("quote", ["'", '"', "'''", '"""'])
@given(text=st.text(st.characters(exclude_characters="\\'\"\n\r\0", exclude_categories=["Cs"]), max_size=50))
def test_what_stands_in_a_text_is_none_of_the_expression(quote: str, text: str) -> None:
    expression = f"body == {quote}{text}{quote}"
    assert sources_of(expression) == {Source.BODY}
    assert is_linear(expression)


_PIECES = st.sampled_from(
    [*"()[]{}x1-!?:,'uä\"\\\n", "status", "json", ".all(", ".map(", "&&", "==", "r'", "'''", "//", "0x"]
)


@given(pieces=st.lists(_PIECES, max_size=40))
def test_whatever_is_written_is_refused_or_judged(pieces: list[str]) -> None:
    with suppress(ValueError):
        judged("".join(pieces), {Source.STATUS: 1, Source.JSON: [1, 2]})
