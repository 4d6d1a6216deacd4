"""What assertions mean: which facts they find, how they compare, and what they tell when they are not met."""

from typing import Any

import pytest

from tocsin.domain.assertions import AssertionSeverity, Judgement, judge
from tocsin.domain.comparisons import AssertionOperator
from tocsin.domain.facts import Facts, Source
from tocsin.domain.targets.assertions import Assertion, Condition

FACTS: Facts = {
    Source.STATUS: 200,
    Source.HEADER: (("Content-Type", "text/html"), ("Vary", "Accept"), ("vary", "Origin"), ("Age", "12")),
    Source.BODY: '{"status": "degraded", "items": [{"n": 1}, {"n": 5}], "tags": ["a", "b"], "none": null, "on": true}',
    Source.SIZE: 96,
    Source.RECORD: ("192.0.2.1", "192.0.2.2"),
    Source.LATENCY: {"total": 120.5, "connect": 3.25},
    Source.CERTIFICATE: {"days": 13.5, "names": ["example.com", "www.example.com"], "issuer": "CN=Test"},
    Source.LOSS: 20.0,
    Source.ROUND_TRIP: {"min": 1.0, "mean": 2.0, "max": 9.0},
}


def assertion(text: str, severity: str = "DOWN") -> Assertion:
    """Read as it is told: `JSON $.status EQUALS ok`."""
    source, *rest = text.split(" ")
    at = next(index for index, each in enumerate(rest) if each in set(AssertionOperator))
    fields: dict[str, Any] = {"source": source, "operator": rest[at], "severity": severity}
    if at:
        fields["path"] = " ".join(rest[:at])
    if rest[at + 1 :]:
        fields["value"] = " ".join(rest[at + 1 :])
    return Assertion(**fields)


def judged(*texts: str, facts: Facts = FACTS) -> Judgement:
    return judge([assertion(text) for text in texts], [], facts)


MET = [
    "STATUS EQUALS 200",
    "STATUS EQUALS 200.0",
    "STATUS LESS 400",
    "STATUS MATCHES ^2..$",
    "STATUS NOT_EQUALS 500",
    "HEADER content-type CONTAINS html",
    "HEADER CONTENT-TYPE STARTS_WITH text/",
    "HEADER content-type ENDS_WITH html",
    "HEADER vary EQUALS Accept, Origin",
    "HEADER age LESS 60",
    "HEADER x-none NOT_EXISTS",
    "BODY CONTAINS degraded",
    "BODY NOT_CONTAINS error",
    'BODY MATCHES "n": \\d',
    "BODY NOT_MATCHES (?i)ERROR",
    "JSON $.status EQUALS degraded",
    "JSON $.items[*].n GREATER 0",
    "JSON $.items[0].n EQUALS 1.0",
    "JSON $.items[-1].n GREATER_OR_EQUAL 5",
    "JSON $.items[?@.n > 1] EXISTS",
    "JSON $.items[?@.n > 9] NOT_EXISTS",
    'JSON $.items[0] EQUALS {"n": 1}',
    "JSON $.tags CONTAINS b",
    "JSON $.tags NOT_CONTAINS c",
    'JSON $.tags EQUALS ["a","b"]',
    "JSON $.tags MATCHES ^b$",
    "JSON $.none EQUALS null",
    "JSON $.none EXISTS",
    "JSON $.on EQUALS true",
    "JSON $.on NOT_EQUALS 1",
    'JSON MATCHES_SCHEMA {"required": ["status"]}',
    "SIZE LESS_OR_EQUAL 96",
    "RECORD CONTAINS 192.0.2.1",
    "RECORD NOT_CONTAINS 192.0.2",
    "RECORD STARTS_WITH 192.0.2.",
    "LATENCY LESS 121",
    "LATENCY connect LESS 3.5",
    "LATENCY tls NOT_EXISTS",
    "CERTIFICATE days GREATER 7",
    "CERTIFICATE names CONTAINS www.example.com",
    "LOSS LESS 50",
    "ROUND_TRIP EQUALS 2",
    "ROUND_TRIP max LESS 10",
]
UNMET = [
    ("STATUS EQUALS 500", "200"),
    ("STATUS EQUALS ok", "200"),
    ("HEADER content-type EQUALS html", '"text/html"'),
    ("HEADER x-none NOT_EQUALS a", "nothing"),
    ("HEADER content-type LESS 5", '"text/html"'),
    ("JSON $.status EQUALS ok", '"degraded"'),
    ("JSON $.items[*].n GREATER 1", "1"),
    ("JSON $.nothing EXISTS", "nothing"),
    ("JSON $.nothing NOT_CONTAINS a", "nothing"),
    ("JSON $.none NOT_EXISTS", "null"),
    ("JSON $.on EQUALS 1", "true"),
    ("JSON $.on GREATER 0", "true"),
    ("JSON $.items EQUALS [1]", '[{"n":1},{"n":5}]'),
    ("JSON $.items CONTAINS 1", '[{"n":1},{"n":5}]'),
    ("JSON $.items[*].n LESS 5", "5"),
    ("RECORD CONTAINS 192.0.2", '["192.0.2.1","192.0.2.2"]'),
    ("LATENCY LESS 100", "120.5"),
    ("LATENCY tls LESS 100", "nothing: there was no TLS"),
    ("CERTIFICATE days GREATER 30", "13.5"),
    (
        'JSON $.items[*] MATCHES_SCHEMA {"properties": {"n": {"maximum": 3}}}',
        "5 at /n: value is greater than the maximum of 3",
    ),
]


@pytest.mark.parametrize("text", MET)
def test_what_is_as_asserted_is_met(text: str) -> None:
    assert judged(text) == Judgement()


@pytest.mark.parametrize(("text", "actual"), UNMET)
def test_what_is_not_as_asserted_is_told_with_what_was_seen(text: str, actual: str) -> None:
    [failed] = judged(text).failed
    assert failed.actual == actual


def test_a_failure_reads_like_its_assertion() -> None:
    [failed] = judged("JSON $.status EQUALS ok").failed
    assert str(failed) == 'assertion failed: JSON $.status EQUALS "ok", was "degraded"'
    [failed] = judged("LATENCY LESS 100").failed
    assert str(failed) == "assertion failed: LATENCY LESS 100, was 120.5"


def test_each_failure_says_which_assertion_it_is_of() -> None:
    failed = judged("STATUS EQUALS 500", "STATUS EQUALS 200", "SIZE LESS 5").failed
    assert [each.index for each in failed] == [0, 2]


@pytest.mark.parametrize(
    ("severities", "worst"),
    [
        ((), None),
        (("DEGRADED",), AssertionSeverity.DEGRADED),
        (("DEGRADED", "DOWN"), AssertionSeverity.DOWN),
    ],
)
def test_the_worst_severity_counts(severities: tuple[str, ...], worst: AssertionSeverity | None) -> None:
    assertions = [assertion("STATUS EQUALS 500", severity) for severity in severities]
    assert judge(assertions, [], FACTS).severity is worst


@pytest.mark.parametrize("operator", ["EXISTS", "NOT_EXISTS", "EQUALS 1"])
def test_content_that_is_no_json_meets_no_assertion_about_json(operator: str) -> None:
    [failed] = judged(f"JSON $.a {operator}", facts={Source.BODY: "<html>"}).failed
    assert failed.actual.startswith("nothing: the content is no JSON: ")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("18446744073709551616", "1.8446744073709552e19"),  # beyond 64 bits, a number is a float
        ('"\\u00e4"', "ä"),
        ('{"a": 1, "a": 2}', '{"a": 2}'),  # as most readers have it
        (" [ ] ", "[]"),
    ],
)
def test_json_is_read_as_most_readers_read_it(body: str, value: str) -> None:
    assert judged(f"JSON $ EQUALS {value}", facts={Source.BODY: body}) == Judgement()


@pytest.mark.parametrize("body", ["", "NaN", "1e999", '"\\ud800"', "[" * 2000, "\ufeff{}", "{'a': 1}", "\ud800"])
def test_what_is_no_json_is_told(body: str) -> None:
    [failed] = judged("JSON $ EXISTS", facts={Source.BODY: body}).failed
    assert failed.actual.startswith("nothing: the content is no JSON: ")


def test_a_fact_that_was_not_seen_is_nothing() -> None:
    assert {
        each.actual for each in judged("STATUS EQUALS 1", "BODY CONTAINS a", "RECORD CONTAINS a", facts={}).failed
    } == {"nothing"}


def test_a_certificate_where_no_tls_was_spoken_is_missing_for_that_reason() -> None:
    condition = Condition(expression="certificate.days > 14")
    failed = judge([assertion("CERTIFICATE days GREATER 14")], [condition], {Source.STATUS: 200}).failed
    assert [each.actual for each in failed] == ["nothing: there was no TLS"] * 2
    [of_a_field] = judged("CERTIFICATE subject EXISTS").failed
    assert of_a_field.actual == "nothing"


def test_an_answer_without_records_has_none() -> None:
    facts: Facts = {Source.RECORD: ()}
    assert judged("RECORD NOT_EXISTS", facts=facts) == Judgement()
    assert [each.actual for each in judged("RECORD EXISTS", "RECORD NOT_CONTAINS a", facts=facts).failed] == [
        "nothing"
    ] * 2


def test_json_that_a_kind_notes_itself_is_not_read_from_its_text() -> None:
    facts: Facts = {Source.JSON: {"data": {"a": 1}}, Source.BODY: "something else"}
    assert judged("JSON $.data.a EQUALS 1", facts=facts) == Judgement()


def test_judging_leaves_the_facts_as_they_were() -> None:
    facts: Facts = {Source.BODY: "{}"}
    judged("JSON $ EXISTS", facts=facts)
    assert facts == {Source.BODY: "{}"}


def test_what_is_told_of_a_value_is_bounded() -> None:
    [failed] = judged("BODY CONTAINS b", facts={Source.BODY: "a" * 1_000_000}).failed
    assert len(failed.actual) <= 200
    [failed] = judged("JSON $ NOT_EXISTS", facts={Source.BODY: f"[{'1,' * 1000}1]"}).failed
    assert len(failed.actual) == 200
    assert failed.actual.endswith("…")


def test_a_header_that_gives_access_is_not_told() -> None:
    [failed] = judged("HEADER Set-Cookie EQUALS a", facts={Source.HEADER: (("Set-Cookie", "session=s3cret"),)}).failed
    assert failed.actual == '"***"'


def test_numbers_are_compared_exactly() -> None:
    facts: Facts = {Source.BODY: "9007199254740993"}
    assert judged("JSON $ GREATER 9007199254740992", facts=facts) == Judgement()


def test_values_that_are_nested_deep_are_compared_without_recursion() -> None:
    nested = "[" * 1000 + "]" * 1000
    assert judged(f"JSON $ EQUALS {nested}", facts={Source.BODY: nested}) == Judgement()
    assert judged(f"JSON $ NOT_EQUALS {nested}", facts={Source.BODY: nested[1:-1]}) == Judgement()
