"""What assertions and conditions may say: each wrong one is refused at its field, with the remedy."""

from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.domain.facts import Source
from tocsin.domain.targets import KINDS, parse_target, target_problems
from tocsin.domain.targets.tcp import TcpTarget

URL = "https://example.com/"
EXISTS = {"source": "STATUS", "operator": "EXISTS"}


def problems(**fields: Any) -> dict[str, str]:
    try:
        parse_target("http", {"url": URL, **fields})
    except ValidationError as exc:
        return {".".join(map(str, problem.path)): problem.message for problem in target_problems("http", exc)}
    return {}


def refusal(**fields: Any) -> tuple[str, str]:
    """The field of an assertion that is refused, and why."""
    [(path, message)] = problems(assertions=[fields]).items()
    return path.removeprefix("target.http.assertions.0."), message


@pytest.mark.parametrize(
    ("fields", "field", "remedy"),
    [
        (
            {"source": "RECORD", "operator": "EXISTS"},
            "source",
            "choose one of STATUS, HEADER, BODY, JSON, SIZE, LATENCY",
        ),
        ({"source": "HEADER", "operator": "EXISTS"}, "path", "name the header"),
        ({"source": "CERTIFICATE", "operator": "EXISTS"}, "path", "the field of the certificate"),
        ({"source": "CERTIFICATE", "path": "age", "operator": "EXISTS"}, "path", "must be one of days, names, subject"),
        ({"source": "LATENCY", "path": "dns", "operator": "EXISTS"}, "path", "must be one of total, resolve, connect"),
        ({"source": "STATUS", "path": "$", "operator": "EXISTS"}, "path", "leave it out"),
        ({"source": "HEADER", "path": "a b", "operator": "EXISTS"}, "path", "must be the name of a header"),
        ({"source": "JSON", "path": "a.b", "operator": "EXISTS"}, "path", "it must begin with $"),
        ({"source": "JSON", "path": "$[?near(@)]", "operator": "EXISTS"}, "path", "function 'near' is not defined"),
        ({"source": "JSON", "path": "$" * 501, "operator": "EXISTS"}, "path", "at most 500 characters"),
        ({"source": "JSON", "path": "$['\0']", "operator": "EXISTS"}, "path", "must not contain the character NUL"),
        (
            {"source": "SIZE", "operator": "CONTAINS", "value": "1"},
            "operator",
            "must be one of EQUALS, NOT_EQUALS, LESS",
        ),
        ({"source": "BODY", "operator": "LESS", "value": "1"}, "operator", "choose JSON for a number in the content"),
        (
            {"source": "BODY", "operator": "MATCHES_SCHEMA", "value": "{}"},
            "operator",
            "only JSON is compared with a schema",
        ),
        ({"source": "STATUS", "operator": "EQUALS"}, "value", "only EXISTS and NOT_EXISTS do without"),
        ({"source": "STATUS", "operator": "EXISTS", "value": "1"}, "value", "leave it out"),
        ({"source": "STATUS", "operator": "LESS", "value": "ok"}, "value", "must be a number, such as 200 or 0.5"),
        ({"source": "LATENCY", "operator": "EQUALS", "value": "1s"}, "value", "must be a number"),
        ({"source": "SIZE", "operator": "EQUALS", "value": " 1"}, "value", "must be a number"),
        ({"source": "BODY", "operator": "MATCHES", "value": "("}, "value", "must be a pattern of RE2"),
        ({"source": "BODY", "operator": "MATCHES", "value": "(?=a)"}, "value", "no look-around"),
        ({"source": "BODY", "operator": "MATCHES", "value": r"(\pL{500}){9}"}, "value", "repetition above 1000"),
        ({"source": "BODY", "operator": "MATCHES", "value": r"\pL{200}"}, "value", "is too large a pattern"),
        ({"source": "BODY", "operator": "MATCHES", "value": "a" * 501}, "value", "at most 500 characters"),
        ({"source": "JSON", "operator": "MATCHES_SCHEMA", "value": "{"}, "value", "must be a JSON Schema, in JSON"),
        ({"source": "JSON", "operator": "MATCHES_SCHEMA", "value": '{"type": "no"}'}, "value", "at /type"),
        ({"source": "JSON", "operator": "MATCHES_SCHEMA", "value": '{"pattern": "(?=a)"}'}, "value", "RE2"),
        (
            {"source": "JSON", "operator": "MATCHES_SCHEMA", "value": '{"$ref": "http://localhost/"}'},
            "value",
            "its own parts alone",
        ),
        ({"source": "BODY", "operator": "CONTAINS", "value": "\0"}, "value", "must not contain the character NUL"),
        ({"source": "BODY", "operator": "CONTAINS", "value": "\ud800"}, "value", "a valid string"),
        ({"source": "BODY", "operator": "CONTAINS", "value": "a" * 16385}, "value", "at most 16384 characters"),
        ({"source": "body", "operator": "EXISTS"}, "source", "STATUS, HEADER"),
        ({"source": "BODY", "operator": "IS"}, "operator", "EQUALS, NOT_EQUALS"),
        ({"source": "BODY", "operator": "EXISTS", "severity": "UP"}, "severity", "DOWN, DEGRADED"),
        ({"source": "BODY", "operator": "EXISTS", "comment": "a"}, "comment", "is no field here"),
    ],
)
def test_a_wrong_assertion_is_refused_at_its_field(fields: dict[str, Any], field: str, remedy: str) -> None:
    assert refusal(**fields)[0] == field
    assert remedy in refusal(**fields)[1]


@pytest.mark.parametrize(
    ("expression", "remedy"),
    [
        ("", "must not be empty"),
        ("status ==", "must be an expression in CEL, such as status == 200 at 10"),
        (
            "stauts == 200",
            "undeclared reference to 'stauts'; known are body, certificate, headers, json, latency, size, status",
        ),
        ("records.size() > 0", "undeclared reference to 'records'"),
        ("status + 'a'", "must be true or false"),
        ("size(body)", "must be true or false"),
        ("headers.age > 5", "found no matching overload"),
        ("f(status)", "undeclared reference to 'f'"),
        ("json.all(a, json.all(b, json.exists(c, a < c)))", "must not nest all, exists, filter and map deeper than 2"),
        ("(" * 40 + "true" + ")" * 40, "must not be nested deeper than 32"),
        (" && ".join(["status == 200"] * 100), "at most 1000 characters"),
        ("body == '\0'", "must not contain the character NUL"),
        ("body == '\ud800'", "a valid string"),
    ],
)
def test_a_wrong_condition_is_refused_with_the_remedy(expression: str, remedy: str) -> None:
    [(path, message)] = problems(conditions=[{"expression": expression}]).items()
    assert path == "target.http.conditions.0.expression"
    assert remedy in message


def test_every_wrong_one_of_several_is_named() -> None:
    found = problems(
        assertions=[EXISTS, {"source": "LOSS", "operator": "EXISTS"}, {"source": "RECORD", "operator": "EXISTS"}],
        conditions=[{"expression": "a"}, {"expression": "true"}, {"expression": "b"}],
    )
    assert set(found) == {
        "target.http.assertions.1.source",
        "target.http.assertions.2.source",
        "target.http.conditions.0.expression",
        "target.http.conditions.2.expression",
    }


def test_their_number_is_bounded() -> None:
    found = problems(assertions=[EXISTS] * 21, conditions=[{"expression": "true"}] * 11)
    assert set(found) == {"target.http.assertions", "target.http.conditions"}
    assert problems(assertions=[EXISTS] * 20, conditions=[{"expression": "true"}] * 10) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_assertions_and_conditions_behind_its_own_fields(kind: str) -> None:
    assert list(KINDS[kind].model_fields)[-2:] == ["assertions", "conditions"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_knows_its_latency(kind: str) -> None:
    assert Source.LATENCY in KINDS[kind].known_sources()


def test_a_target_that_is_stored_is_read_again_with_what_is_asserted() -> None:
    fields = {
        "host": "example.com",
        "port": 80,
        "assertions": [{"source": "LATENCY", "path": "connect", "operator": "LESS", "value": "50"}],
        "conditions": [{"expression": "latency.total < 100", "severity": "DEGRADED"}],
    }
    target = TcpTarget.model_validate(fields)
    assert parse_target("tcp", target.model_dump(mode="json")) == target
