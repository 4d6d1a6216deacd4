"""Every limit of the schema, tried on a real API server: one more, or one less, is refused at that field."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from healthcheck_operator.crd import custom_resource_definition
from healthcheck_operator.resources import path_of
from tests.kubernetes.cluster import Cluster

pytestmark = pytest.mark.usefixtures("definition")


class Breach(NamedTuple):
    """A spec that breaks one limit, and the field."""

    field: str
    limit: str
    spec: Any


def breaches(schema: Any, field: str) -> Iterator[Breach]:
    """Each with the value alone, as it is at this place."""
    for limit, value in wrong_values(schema):
        yield Breach(field, limit, value)
    for name, each in schema.get("properties", {}).items():
        for breach in breaches(each, f"{field}.{name}"):
            yield breach._replace(spec={name: breach.spec})
    if "items" in schema:
        for breach in breaches(schema["items"], f"{field}[0]"):
            yield breach._replace(spec=[breach.spec])
    if "additionalProperties" in schema:
        for breach in breaches(schema["additionalProperties"], f"{field}.a"):
            yield breach._replace(spec={"a": breach.spec})


def wrong_values(schema: Any) -> Iterator[tuple[str, Any]]:
    makers: dict[str, Callable[[Any], Any]] = {
        "minLength": lambda least: "a" * (least - 1),
        "maxLength": lambda most: "a" * (most + 1),
        "minimum": lambda least: least - 1,
        "maximum": lambda most: most + 1,
        "minItems": lambda least: [sample(schema["items"])] * (least - 1),
        "maxItems": lambda most: [sample(schema["items"])] * (most + 1),
        "maxProperties": lambda most: {f"a{number}": "" for number in range(most + 1)},
        "enum": lambda _: "another",
        "type": lambda name: [1] if name == "string" else "text",
    }
    return ((name, make(schema[name])) for name, make in makers.items() if name in schema)


def sample(schema: Any) -> Any:
    return {"string": "200", "object": {}}[schema["type"]]


def every_breach() -> list[Breach]:
    [version] = custom_resource_definition()["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return list(breaches(spec, "spec"))


@pytest.mark.parametrize("breach", every_breach(), ids=lambda breach: f"{breach.field}-{breach.limit}")
def test_what_is_beyond_a_limit_is_refused_at_its_field(cluster: Cluster, breach: Breach) -> None:
    answer = cluster.api.post(
        path_of("default"),
        params={"dryRun": "All"},
        json={
            "apiVersion": "tocsin.dev/v1alpha1",
            "kind": "HealthCheck",
            "metadata": {"name": "beyond"},
            "spec": breach.spec,
        },
    )
    assert answer.status_code == 422, answer.text
    assert breach.field in {cause.get("field") for cause in answer.json()["details"]["causes"]}
