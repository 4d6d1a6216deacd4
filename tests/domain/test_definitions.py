"""What is refused in the definition of a check."""

from datetime import timedelta
from typing import Any

import pytest

from tocsin.domain.definitions import Definition, DefinitionFields, define
from tocsin.domain.errors import FieldProblem

URL = "https://example.com/"


def http(**fields: Any) -> DefinitionFields:
    return {"target": ("http", {"url": URL, **fields})}


def tcp(host: str, port: int) -> DefinitionFields:
    return {"target": ("tcp", {"host": host, "port": port})}


def cron(expression: str, time_zone: str = "UTC") -> DefinitionFields:
    return {"schedule": {"cron": expression, "time_zone": time_zone}}


def defined(fields: DefinitionFields) -> tuple[Definition | None, set[str]]:
    problems: list[FieldProblem] = []
    definition = define({"name": "front", "target": ("http", {"url": URL}), **fields}, problems)
    return definition, {".".join(map(str, problem.path)) for problem in problems}


def asserted(**assertion: str) -> DefinitionFields:
    return http(assertions=[assertion])


WRONG: list[tuple[DefinitionFields, set[str]]] = [
    ({"name": ""}, {"name"}),
    ({"name": " \t "}, {"name"}),
    ({"name": "a\tb"}, {"name"}),
    ({"name": "a\0b"}, {"name"}),
    ({"name": "a\ud800"}, {"name"}),
    ({"name": "a\u2028b"}, {"name"}),
    ({"name": "x" * 101}, {"name"}),
    ({"interval_seconds": 0}, {"interval_seconds"}),
    ({"interval_seconds": -60}, {"interval_seconds"}),
    ({"interval_seconds": 86401}, {"interval_seconds"}),
    ({"interval_seconds": 2**31 - 1}, {"interval_seconds"}),
    ({"interval_seconds": 60, **cron("* * * * *")}, {"schedule"}),
    (cron(""), {"schedule.cron"}),
    (cron("* * * *"), {"schedule.cron"}),
    (cron("* * * * * *"), {"schedule.cron"}),
    (cron("61 * * * *"), {"schedule.cron"}),
    (cron("0 0 30 2 *"), {"schedule.cron"}),
    (cron("*/0 * * * *"), {"schedule.cron"}),
    (cron("* " * 60), {"schedule.cron"}),
    (cron("* * * * *", "Mars/Base"), {"schedule.time_zone"}),
    (cron("* * * * *", "../../etc/passwd"), {"schedule.time_zone"}),
    (cron("nonsense", ""), {"schedule.cron", "schedule.time_zone"}),
    ({"timeout_seconds": 0}, {"timeout_seconds"}),
    ({"timeout_seconds": -1}, {"timeout_seconds"}),
    ({"timeout_seconds": 0.09}, {"timeout_seconds"}),
    ({"timeout_seconds": 60.001}, {"timeout_seconds"}),
    ({"timeout_seconds": 1e308}, {"timeout_seconds"}),
    ({"timeout_seconds": 6, "interval_seconds": 5}, {"timeout_seconds"}),
    ({"timeout_seconds": 61, **cron("* * * * *")}, {"timeout_seconds"}),
    ({"retries": {"attempts": 6, "delay_seconds": 0, "backoff": None}}, {"retries.attempts"}),
    ({"retries": {"attempts": 1, "delay_seconds": 31, "backoff": 1}}, {"retries.delay_seconds"}),
    ({"retries": {"attempts": 1, "delay_seconds": 1, "backoff": 4.5}}, {"retries.backoff"}),
    ({"retries": {"attempts": 1, "delay_seconds": None, "backoff": None}, "interval_seconds": 1}, {"retries"}),
    ({"retries": {"attempts": 5, "delay_seconds": 1, "backoff": 4}, "timeout_seconds": 0.1}, {"retries"}),
    ({"failure_threshold": 0, "success_threshold": 101}, {"failure_threshold", "success_threshold"}),
    ({"failure_threshold": 4, "failure_window": 3}, {"failure_window"}),
    ({"failure_window": 2}, {"failure_window"}),
    ({"failure_window": 61}, {"failure_window"}),
    ({"locations": []}, {"locations"}),
    ({"locations": [f"l{i}" for i in range(17)]}, {"locations"}),
    ({"locations": ["Europe"]}, {"locations.0"}),
    ({"locations": ["eu", "eu"]}, {"locations.1"}),
    ({"quorum": "MOST"}, {"quorum"}),
    ({"quorum": "0"}, {"quorum"}),
    ({"locations": ["eu", "us"], "quorum": "3"}, {"quorum"}),
    ({"labels": [("", "x")]}, {"labels.0.name"}),
    ({"labels": [("a b", "-x")]}, {"labels.0.name", "labels.0.value"}),
    ({"labels": [("a", ""), ("a", "")]}, {"labels.1.name"}),
    ({"labels": [("a/b/c", ""), ("/b", ""), ("UPPER/b", ""), ("a/", "")]}, {f"labels.{i}.name" for i in range(4)}),
    ({"labels": [("a", "x" * 64)]}, {"labels.0.value"}),
    ({"labels": [("a", "é")]}, {"labels.0.value"}),
    ({"labels": [(f"a{i}", "") for i in range(51)]}, {"labels"}),
    ({"target": ("carrier-pigeon", {})}, {"target"}),
    ({"target": ("http", {})}, {"target.http.url"}),
    (http(url=""), {"target.http.url"}),
    (http(url="example.com"), {"target.http.url"}),
    (http(url="ftp://example.com/"), {"target.http.url"}),
    (http(url="http://"), {"target.http.url"}),
    (http(url="http://user:secret@example.com/"), {"target.http.url"}),
    (http(url="http://example.com:99999/"), {"target.http.url"}),
    (http(url="http://exa mple.com/"), {"target.http.url"}),
    (http(url="http://example.com/\0"), {"target.http.url"}),
    (http(url="http://" + "a" * 2050), {"target.http.url"}),
    (http(method="BREW"), {"target.http.method"}),
    (http(body="x"), {"target.http.body"}),
    (http(body_contains="\0"), {"target.http.body_contains"}),
    (http(expected_status=[]), {"target.http.expected_status"}),
    (http(expected_status=["200", "299-200"]), {"target.http.expected_status.1"}),
    (http(headers=[{"name": "a:b", "value": "c\r\n"}]), {"target.http.headers.0.name", "target.http.headers.0.value"}),
    (tcp("", 0), {"target.tcp.host", "target.tcp.port"}),
    (tcp("a b", 65536), {"target.tcp.host", "target.tcp.port"}),
    ({"name": "", "interval_seconds": 0, **tcp("a", 0)}, {"name", "interval_seconds", "target.tcp.port"}),
    (asserted(source="RECORD", operator="EXISTS"), {"target.http.assertions.0.source"}),
    (asserted(source="HEADER", operator="EXISTS"), {"target.http.assertions.0.path"}),
    (asserted(source="STATUS", path="$", operator="EXISTS"), {"target.http.assertions.0.path"}),
    (asserted(source="JSON", path="a", operator="EXISTS"), {"target.http.assertions.0.path"}),
    (asserted(source="LATENCY", path="dns", operator="EXISTS"), {"target.http.assertions.0.path"}),
    (asserted(source="SIZE", operator="CONTAINS", value="1"), {"target.http.assertions.0.operator"}),
    (asserted(source="STATUS", operator="EQUALS"), {"target.http.assertions.0.value"}),
    (asserted(source="STATUS", operator="EXISTS", value="1"), {"target.http.assertions.0.value"}),
    (asserted(source="SIZE", operator="LESS", value="1k"), {"target.http.assertions.0.value"}),
    (asserted(source="BODY", operator="CONTAINS", value="a\0"), {"target.http.assertions.0.value"}),
    (http(conditions=[{"expression": ""}]), {"target.http.conditions.0.expression"}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "paths"), WRONG)
def test_every_wrong_field_is_named(fields: DefinitionFields, paths: set[str]) -> None:
    assert defined(fields) == (None, paths)


def test_a_problem_does_not_repeat_a_secret() -> None:
    problems: list[FieldProblem] = []
    define({"name": "a", **http(headers=[{"name": "Authorization", "value": "se\ncret"}])}, problems)
    assert "cret" not in str(problems)


def test_a_definition_has_defaults() -> None:
    definition, _ = defined({"name": " front "})
    assert definition is not None
    assert (definition.name, definition.schedule, definition.timeout) == (
        "front",
        timedelta(seconds=60),
        timedelta(seconds=10),
    )
    assert (definition.failure_threshold, definition.success_threshold) == (3, 2)


@pytest.mark.parametrize("name", ["a", "Überwachung", "web 👩‍💻", "x" * 100])
def test_names_may_have_any_script(name: str) -> None:
    definition, _ = defined({"name": name})
    assert definition is not None
    assert definition.name == name


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "example.com/tier", "x" * 63])
def test_labels_are_named_as_in_kubernetes(name: str) -> None:
    definition, _ = defined({"labels": [(name, "")]})
    assert definition is not None
    assert definition.labels == {name: ""}


def test_a_window_alone_is_told_of_the_default_threshold() -> None:
    problems: list[FieldProblem] = []
    define({"name": "front", "failure_window": 2, **http()}, problems)
    message = "must be from the failure threshold, which is 3 by default, to 60: it has room for the failing slots"
    assert problems == [FieldProblem(("failure_window",), message)]


def test_a_window_has_room_for_the_threshold_of_its_kind() -> None:
    heartbeat: DefinitionFields = {"target": ("heartbeat", {"period_seconds": 60})}
    definition, _ = defined({**heartbeat, "failure_window": 2})
    assert definition is not None
    assert (definition.failure_threshold, definition.failure_window) == (1, 2)
