"""What the GraphQL API refuses, the API server refuses too, at the same field."""

import re
from typing import Any

import pytest

from healthcheck_operator.names import property_name
from healthcheck_operator.resources import path_of
from tests.domain.test_definitions import WRONG, defined
from tests.kubernetes.cluster import Cluster
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.targets.model import Target

pytestmark = pytest.mark.usefixtures("definition")

FIELDS = {
    "name": "site",
    "interval_seconds": "interval",
    "schedule.cron": "schedule",
    "schedule.time_zone": "timeZone",
    "timeout_seconds": "timeout",
    "retries.delay_seconds": "retries.delay",
    "failure_threshold": "thresholds.failure",
    "success_threshold": "thresholds.success",
    "failure_window": "thresholds.window",
}
# The operator says so in a condition: CEL cannot tell which days a month has.
NEVER_DUE = "0 0 30 2 *"


def spec_of(fields: DefinitionFields) -> dict[str, Any]:
    """A definition as a HealthCheck says it; what the name of a check is there, the name of a site is here."""
    kind, target = fields.get("target", ("http", {"url": "https://example.com/"}))
    shared = {name: target[name] for name in Target.model_fields if name in target}
    own = {name: value for name, value in target.items() if name not in shared}
    spec: dict[str, Any] = {kind: in_camel_case(own), **in_camel_case(shared)}
    if "name" in fields:
        spec["site"] = fields["name"]
    if (seconds := fields.get("interval_seconds")) is not None:
        spec["interval"] = f"{seconds}s"
    if (schedule := fields.get("schedule")) is not None:
        spec |= {"schedule": schedule["cron"], "timeZone": schedule["time_zone"]}
    if (timeout := fields.get("timeout_seconds")) is not None:
        spec["timeout"] = f"{timeout:.3f}s"
    if (retries := fields.get("retries")) is not None:
        delay = retries["delay_seconds"]
        given = {**retries, "delay": None if delay is None else f"{delay}s", "delay_seconds": None}
        spec["retries"] = {name: value for name, value in given.items() if value is not None}
    thresholds = {name: fields.get(f"{name}_threshold") for name in ("failure", "success")}
    thresholds["window"] = fields.get("failure_window")
    spec["thresholds"] = {name: given for name, given in thresholds.items() if given is not None}
    if (locations := fields.get("locations")) is not None:
        spec["locations"] = locations
    if (quorum := fields.get("quorum")) is not None:
        spec["quorum"] = int(quorum) if quorum.isdigit() else quorum
    spec["labels"] = dict(fields.get("labels") or ())
    return spec


def in_camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {property_name(name): in_camel_case(each) for name, each in value.items()}
    return [in_camel_case(each) for each in value] if isinstance(value, list) else value


def field_of(path: str, fields: DefinitionFields) -> str:
    """Where a HealthCheck has the field at which the GraphQL API finds a problem."""
    if label := re.fullmatch(r"labels\.(\d+)\.(name|value)", path):
        name, _ = list(fields["labels"] or ())[int(label[1])]
        return "spec.labels" if label[2] == "name" else f"spec.labels.{name}"
    if path.startswith("locations."):
        return "spec." + re.sub(r"\.(\d+)", r"[\1]", path)
    if path.startswith("target."):
        if path.endswith(".source"):  # A rule of the whole spec compares it with the kind.
            return "spec.assertions"
        steps = path.removeprefix("target.").split(".")
        path = ".".join(map(property_name, steps[1:] if steps[1:2] and steps[1] in Target.model_fields else steps))
        return "spec." + re.sub(r"\.(\d+)", r"[\1]", path)
    return f"spec.{FIELDS.get(path, path)}"


def is_sayable(fields: DefinitionFields) -> bool:
    """Whether a HealthCheck can say it: it has no list of labels, and JSON in UTF-8 no half of a character."""
    labels = [name for name, _ in fields.get("labels") or ()]
    if "\ud800" in fields.get("name", "") or len(set(labels)) < len(labels):
        return False
    schedule = fields.get("schedule")
    return schedule is None or schedule["cron"] != NEVER_DUE


SAYABLE = [(fields, paths) for fields, paths in WRONG if is_sayable(fields) and paths != {"target"}]


def fields_refused(cluster: Cluster, spec: dict[str, Any]) -> set[str]:
    answer = cluster.api.post(
        path_of("default", ""),
        params={"dryRun": "All"},
        json={
            "apiVersion": "tocsin.dev/v1alpha1",
            "kind": "HealthCheck",
            "metadata": {"name": "wrong"},
            "spec": spec,
        },
    )
    fields = {cause.get("field", "") for cause in answer.json().get("details", {}).get("causes", ())}
    # The API server writes labels[a] where a rule is broken, and labels.a where a limit is.
    return {re.sub(r"labels\[(.+)\]", r"labels.\1", field) for field in fields}


@pytest.mark.parametrize(("fields", "paths"), SAYABLE)
def test_what_the_graphql_api_refuses_is_refused_at_the_same_field(
    cluster: Cluster, fields: DefinitionFields, paths: set[str]
) -> None:
    assert defined(fields) == (None, paths)
    assert {field_of(path, fields) for path in paths} <= fields_refused(cluster, spec_of(fields))


def test_what_the_graphql_api_takes_is_taken(cluster: Cluster) -> None:
    fields: DefinitionFields = {
        "interval_seconds": 86400,
        "timeout_seconds": 0.1,
        "failure_threshold": 100,
        "labels": [("example.com/a", "x" * 63)],
        "target": ("http", {"url": "https://bücher.example/", "method": "POST", "body": "ä\n"}),
    }
    assert defined(fields)[1] == set()
    assert fields_refused(cluster, spec_of(fields)) == set()
