"""Where secrets may stand in targets, and how a definition keeps its references."""

from typing import Any

import pytest

from tocsin.domain.definitions import Definition, define
from tocsin.domain.errors import FieldProblem
from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.secrets import Path, find_references, is_secret_name, replaced, validate_reference
from tocsin.domain.targets.tcp import TcpTarget

URL = "https://example.com/"
TOKEN = {"secret": "api-token/value"}
AUTHORIZATION = {"name": "Authorization", "value": TOKEN}
FIELDS: dict[str, Any] = {"url": URL, "method": "POST", "headers": [AUTHORIZATION], "body": {"secret": "login/body"}}


def defined(fields: dict[str, Any], kind: str = "http") -> tuple[Definition | None, dict[str, str]]:
    problems: list[FieldProblem] = []
    definition = define({"name": "front", "target": (kind, fields)}, problems)
    return definition, {".".join(map(str, problem.path)): problem.message for problem in problems}


def test_references_are_found_where_secrets_may_stand() -> None:
    assert find_references(HttpTarget, FIELDS) == {
        ("headers", 0, "value"): "api-token/value",
        ("body",): "login/body",
    }


def test_references_are_found_nowhere_else() -> None:
    assert find_references(HttpTarget, {"url": TOKEN, "headers": [{"name": TOKEN, "value": "x"}]}) == {}
    assert find_references(TcpTarget, {"host": TOKEN, "port": 1}) == {}


@pytest.mark.parametrize("headers", [None, "headers", 7, [None], ["value"], [[AUTHORIZATION]], {"value": TOKEN}])
def test_fields_of_another_shape_hold_no_reference(headers: object) -> None:
    assert find_references(HttpTarget, {"url": URL, "headers": headers}) == {}


def test_values_stand_where_their_references_stood_and_what_was_given_stays_as_it_was() -> None:
    filled = replaced(FIELDS, {("headers", 0, "value"): "Bearer x", ("body",): "{}"})
    assert filled == {
        "url": URL,
        "method": "POST",
        "headers": [{"name": "Authorization", "value": "Bearer x"}],
        "body": "{}",
    }
    assert FIELDS["headers"] == [{"name": "Authorization", "value": TOKEN}]


def test_a_definition_is_stored_with_its_references() -> None:
    definition, problems = defined(FIELDS)
    assert definition is not None, problems
    stored = definition.stored_target()
    assert stored["headers"] == [AUTHORIZATION]
    assert stored["body"] == {"secret": "login/body"}
    again, _ = defined(stored)
    assert again == definition


def test_a_definition_without_references_is_stored_as_it_was_given() -> None:
    definition, _ = defined({"url": URL, "headers": [{"name": "Accept", "value": "*/*"}]})
    assert definition is not None
    assert definition.stored_target() == definition.target.model_dump(mode="json")


def test_the_other_fields_are_judged_all_the_same() -> None:
    _, problems = defined({**FIELDS, "method": "GET", "url": "ftp://example.com"})
    assert set(problems) == {"target.http.body", "target.http.url"}


def test_a_reference_where_no_secret_may_stand_is_refused() -> None:
    assert set(defined({"url": TOKEN})[1]) == {"target.http.url"}
    assert set(defined({"url": URL, "headers": [{"name": TOKEN, "value": "x"}]})[1]) == {"target.http.headers.0.name"}


@pytest.mark.parametrize("value", [{"secret": 7}, {"secret": "a/b", "more": 1}, {"Secret": "a/b"}, {}, ["a/b"]])
def test_what_only_looks_like_a_reference_is_refused(value: object) -> None:
    assert set(defined({"url": URL, "headers": [{"name": "A", "value": value}]})[1]) == {"target.http.headers.0.value"}


@pytest.mark.parametrize("reference", ["/", "name/", "/key", "Name/key", "a/b/c", "a/b c", "-a/b", "a/b\n", "a/ö"])
def test_a_reference_that_names_no_key_of_a_secret_is_refused_with_the_remedy(reference: str) -> None:
    _, problems = defined({"url": URL, "headers": [{"name": "A", "value": {"secret": reference}}]})
    assert problems == {"target.http.headers.0.value": "must name a Secret and its key, as in api-token/value"}


@pytest.mark.parametrize("name", ["", "-a", "a.", "a b", "a\n", "ö", "n" * 101])
def test_a_reference_without_a_slash_that_is_no_name_is_refused_with_the_remedy(name: str) -> None:
    _, problems = defined({"url": URL, "headers": [{"name": "A", "value": {"secret": name}}]})
    assert problems["target.http.headers.0.value"].startswith("must be 1 to 100 letters, digits and -_.")


@pytest.mark.parametrize("name", ["a", "api-token", "API_TOKEN.v2", "0", "n" * 100])
def test_a_reference_without_a_slash_names_a_secret_of_the_organization(name: str) -> None:
    assert validate_reference(name) == name
    assert is_secret_name(name)


def named(fields: dict[str, Any], *names: tuple[Path, str]) -> tuple[Definition | None, dict[str, str]]:
    problems: list[FieldProblem] = []
    definition = define({"name": "front", "target": ("http", fields), "secrets": names}, problems)
    return definition, {".".join(map(str, problem.path)): problem.message for problem in problems}


def test_a_named_secret_is_stored_as_a_reference() -> None:
    definition, problems = named({"url": URL, "headers": [{"name": "A"}]}, (("headers", 0, "value"), "api-token"))
    assert definition is not None, problems
    assert definition.stored_target()["headers"] == [{"name": "A", "value": {"secret": "api-token"}}]
    assert definition.references == {("headers", 0, "value"): "api-token"}


def test_a_named_secret_beside_the_value_itself_is_refused() -> None:
    header = {"name": "A", "value": "open"}
    _, problems = named({"url": URL, "headers": [header]}, (("headers", 0, "value"), "api-token"))
    assert problems == {
        "target.http.headers.0.value_secret": "cannot be combined with the value itself; keep one of them"
    }


@pytest.mark.parametrize("name", ["a/b", "", "a b"])
def test_what_is_no_name_of_a_secret_is_told_of_once_beside_all_else_that_is_wrong(name: str) -> None:
    _, problems = named({"url": "ftp://a", "headers": [{"name": "A"}]}, (("headers", 0, "value"), name))
    assert set(problems) == {"target.http.headers.0.value_secret", "target.http.url"}


@pytest.mark.parametrize(
    "reference", ["a/b", "api-token.v1/tls.crt", "a/..data", "0/A_b-c", f"{'n' * 253}/{'k' * 253}"]
)
def test_what_kubernetes_allows_as_names_is_a_reference(reference: str) -> None:
    assert validate_reference(reference) == reference
