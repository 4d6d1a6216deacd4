"""What specs want, in the words of definitions."""

from typing import Any

import pytest

from healthcheck_operator.specs import ObjectReference, Wish, read_spec, spec_path
from tocsin.domain.errors import FieldProblem, InvalidInputError

HTTP = {"http": {"url": "https://example.com/"}}


def read(**spec: Any) -> Wish:
    return read_spec(spec, "team-a", "front")


def problem_of(**spec: Any) -> tuple[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        read(**spec)
    (problem,) = refused.value.problems
    return spec_path(problem), problem.message


def test_an_object_is_named_as_it_is_and_stands_in_the_site_of_its_namespace() -> None:
    wish = read(**HTTP)
    assert (wish.definition["name"], wish.site, wish.suspend, wish.deletion_policy) == (
        "front",
        "team-a",
        False,
        "Delete",
    )


def test_durations_become_seconds() -> None:
    definition = read(interval="5m", timeout="1500ms", **HTTP).definition
    assert (definition["interval_seconds"], definition["timeout_seconds"]) == (300, 1.5)


def test_retries_have_their_delay_in_seconds() -> None:
    definition = read(retries={"attempts": 2, "delay": "1500ms"}, **HTTP).definition
    assert definition["retries"] == {"attempts": 2, "delay_seconds": 1.5, "backoff": None}
    assert read(**HTTP).definition["retries"] is None
    assert problem_of(retries={"attempts": 2, "delay": "soon"}, **HTTP)[0] == "spec.retries.delay"


def test_a_schedule_is_in_utc_unless_it_says_otherwise() -> None:
    assert read(schedule="0 * * * *", **HTTP).definition["schedule"] == {"cron": "0 * * * *", "time_zone": "UTC"}


def test_fields_are_named_as_the_models_name_them() -> None:
    target = read(http={"url": "https://example.com/", "expectedStatus": ["204"], "followRedirects": False}).target
    assert target == {"url": "https://example.com/", "expected_status": ["204"], "follow_redirects": False}


def test_a_secret_is_kept_as_a_reference() -> None:
    source = {"secretKeyRef": {"name": "api", "key": "token"}}
    target = read(http={"url": "https://example.com/", "headers": [{"name": "X", "valueFrom": source}]}).target
    assert target["headers"] == [{"name": "X", "value": {"secret": "api/token"}}]


def test_a_reference_leaves_the_address_open() -> None:
    wish = read(tcp={"serviceRef": {"name": "db"}})
    assert (wish.target, wish.reference) == ({}, ObjectReference("serviceRef", {"name": "db"}))


def test_a_spec_has_exactly_one_kind() -> None:
    assert problem_of()[0] == "spec"
    assert problem_of(**HTTP, tcp={"host": "example.com", "port": 1})[0] == "spec"


def test_an_interval_is_whole_seconds() -> None:
    assert problem_of(interval="1500ms", **HTTP) == ("spec.interval", "must be whole seconds")


def test_a_duration_that_cannot_be_read_is_named() -> None:
    assert problem_of(timeout="soon", **HTTP)[0] == "spec.timeout"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("target", "http", "headers", 0, "value"), "spec.http.headers[0].value"),
        (("target", "http", "body_contains"), "spec.http.bodyContains"),
        (("schedule", "cron"), "spec.schedule"),
        (("schedule", "time_zone"), "spec.timeZone"),
        (("retries", "delay_seconds"), "spec.retries.delay"),
        (("retries", "backoff"), "spec.retries.backoff"),
        (("failure_threshold",), "spec.thresholds.failure"),
        (("failure_window",), "spec.thresholds.window"),
        (("site",), "spec.site"),
    ],
)
def test_problems_are_said_where_they_stand_in_the_object(path: tuple[str | int, ...], shown: str) -> None:
    assert spec_path(FieldProblem(path, "")) == shown
