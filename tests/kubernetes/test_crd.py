"""HealthCheck objects on a real API server: what kubectl shows, what is defaulted, and what the operator may write."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from healthcheck_operator.crd import custom_resource_definition
from healthcheck_operator.resources import path_of
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.conftest import DEFINITION
from tests.kubernetes.programs import Client, CommandError
from tocsin.domain.targets import KINDS
from tocsin.domain.targets.addresses import Host, Port
from tocsin.domain.targets.model import MayBeSecret, Target
from tocsin.domain.targets.urls import Url

pytestmark = pytest.mark.usefixtures("definition")

NOW = "2026-11-21T12:00:00Z"
READY = {"type": "Ready", "status": "True", "lastTransitionTime": NOW, "reason": "Synced", "message": "All is well."}
STATUS = {
    "observedGeneration": 1,
    "checkID": "Y2hlY2s6MQ==",
    "type": "http",
    "target": "https://example.com/health",
    "schedule": "1m",
    "state": "UP",
    "lastTransitionTime": NOW,
    "lastCheckTime": NOW,
    "lastLatency": "12.5ms",
    "uptime": {"24h": "99.95", "30d": "100"},
    "incident": {"id": "aW5jaWRlbnQ6MQ==", "openedAt": NOW, "cause": "TIMEOUT", "message": "no answer within 5s"},
    "locations": [{"name": "default", "state": "UP", "lastCheckTime": NOW, "lastLatency": "12ms", "message": "200"}],
    "message": "200 OK",
    "conditions": [READY, {**READY, "type": "Healthy"}],
}


class Gopher(Target):
    """A Gopher hole that must answer."""

    kind: ClassVar[str] = "gopher"

    host: Host = Field(description="Where it is.")
    port: Port = Field(description="Its port.")
    password: Annotated[Annotated[str, Field(max_length=100)] | None, MayBeSecret()] = Field(
        default=None, description="What opens it."
    )


class Feed(Target):
    """A feed that must be fresh."""

    kind: ClassVar[str] = "feed"

    url: Url = Field(description="Where it is.")
    titles: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=10)] = Field(
        default=(), description="What it must hold."
    )


@pytest.fixture
def front(cluster: Cluster, namespace: str) -> str:
    """The path of a HealthCheck that says the least."""
    return path_of(namespace, make(cluster, namespace, "front", {"http": {"url": "https://example.com/health"}}))


def make(cluster: Cluster, namespace: str, name: str, spec: dict[str, Any], group: str = "tocsin.dev") -> str:
    path = path_of(namespace).replace("tocsin.dev", group)
    body = {"apiVersion": f"{group}/v1alpha1", "kind": "HealthCheck", "metadata": {"name": name}, "spec": spec}
    cluster.create(path, body)
    return name


def write_status(cluster: Cluster, path: str, status: dict[str, Any]) -> Any:
    """By server-side apply, as the operator does it."""
    answer = cluster.api.patch(
        f"{path}/status",
        params={"fieldManager": "tocsin-operator", "force": "true"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        content=json.dumps({"apiVersion": "tocsin.dev/v1alpha1", "kind": "HealthCheck", "status": status}),
    )
    return answer.raise_for_status().json()


def test_client_side_apply_takes_the_definition_as_well(kubectl: Client) -> None:
    assert "configured" in kubectl("apply", "--dry-run=server", "--warnings-as-errors", "-f", DEFINITION)


def test_only_the_deletion_policy_has_a_default(cluster: Cluster, front: str) -> None:
    spec = cluster.api.get(front).json()["spec"]
    assert spec == {"http": {"url": "https://example.com/health"}, "deletionPolicy": "Delete"}


def test_the_status_is_taken_as_it_is_written(cluster: Cluster, front: str) -> None:
    assert write_status(cluster, front, STATUS)["status"] == STATUS


def test_a_condition_of_somebody_else_stays(cluster: Cluster, front: str) -> None:
    write_status(cluster, front, STATUS)
    other = {**READY, "type": "example.com/Approved"}
    cluster.api.patch(
        f"{front}/status",
        params={"fieldManager": "somebody-else"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        content=json.dumps(
            {"apiVersion": "tocsin.dev/v1alpha1", "kind": "HealthCheck", "status": {"conditions": [other]}}
        ),
    ).raise_for_status()
    conditions = write_status(cluster, front, STATUS)["status"]["conditions"]
    assert {each["type"] for each in conditions} == {"Ready", "Healthy", "example.com/Approved"}


def test_kubectl_shows_the_truth_at_a_glance(cluster: Cluster, kubectl: Client, front: str, namespace: str) -> None:
    write_status(cluster, front, STATUS)
    header, row = kubectl("get", "thc", "-n", namespace).splitlines()
    assert header.split() == [
        "NAME",
        "TYPE",
        "TARGET",
        "STATE",
        "INTERVAL",
        "LATENCY",
        "UPTIME-24H",
        "LAST-CHECK",
        "AGE",
    ]
    assert row.split()[:-2] == ["front", "http", "https://example.com/health", "UP", "1m", "12.5ms", "99.95"]


def test_wide_adds_readiness_and_the_message(cluster: Cluster, kubectl: Client, front: str, namespace: str) -> None:
    write_status(cluster, front, STATUS)
    header, row = kubectl("get", "tocsin", "-n", namespace, "-o", "wide").splitlines()
    assert header.split()[-3:] == ["READY", "LAST-TRANSITION", "MESSAGE"]
    assert row.split()[9] == "True"
    assert row.endswith("200 OK")


def test_a_health_check_without_status_has_empty_columns(kubectl: Client, front: str, namespace: str) -> None:
    _, row = kubectl("get", "healthchecks", "-n", namespace).splitlines()
    assert len(row.split()) == 2


def test_kubectl_waits_for_health(cluster: Cluster, kubectl: Client, front: str, namespace: str) -> None:
    write_status(cluster, front, STATUS)
    assert "condition met" in kubectl("wait", "-n", namespace, "--for=condition=Healthy", "--timeout=5s", "thc/front")


def test_kubectl_explains_a_field(kubectl: Client) -> None:
    assert "Default: GET" in kubectl("explain", "healthcheck.spec.http.method")


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "BROKEN"},
        {"message": "a" * 1025},
        {"locations": [{"name": f"a{i}", "state": "UP"} for i in range(51)]},
    ],
)
def test_a_status_beyond_its_limits_is_refused(cluster: Cluster, front: str, wrong: dict[str, Any]) -> None:
    answer = cluster.api.patch(
        f"{front}/status", headers={"Content-Type": "application/merge-patch+json"}, json={"status": wrong}
    )
    assert answer.status_code == 422


def test_writing_the_status_does_not_change_the_spec(cluster: Cluster, front: str) -> None:
    cluster.api.patch(
        f"{front}/status", headers={"Content-Type": "application/merge-patch+json"}, json={"spec": {"suspend": True}}
    ).raise_for_status()
    assert "suspend" not in cluster.api.get(front).json()["spec"]


def test_server_side_apply_refuses_an_unknown_field(kubectl: Client) -> None:
    example = DEFINITION.parents[4] / "examples/healthchecks/refused/unknown-field.yaml"
    with pytest.raises(CommandError, match=r"spec\.http\.retries: field not declared in schema"):
        kubectl("apply", "--server-side", "-f", example)


@pytest.fixture
def more_kinds(cluster: Cluster, kubectl: Client, tmp_path: Path) -> Iterator[str]:
    """A group whose HealthChecks know two more kinds."""
    group = "kinds.tocsin.example"
    definition = custom_resource_definition({**KINDS, "gopher": Gopher, "feed": Feed})
    file = tmp_path / "definition.json"
    file.write_text(
        json.dumps(definition).replace('tocsin.dev"', f'{group}"').replace("healthchecks.tocsin.dev", group)
    )
    kubectl("apply", "--server-side", "-f", file)
    kubectl.await_definition("-f", file)
    yield group
    kubectl("delete", "--wait=false", "-f", file)


def test_a_kind_that_is_added_is_served_with_its_references(cluster: Cluster, namespace: str, more_kinds: str) -> None:
    make(cluster, namespace, "direct", {"gopher": {"host": "example.com", "port": 70}}, more_kinds)
    by_reference = {
        "gopher": {"serviceRef": {"name": "burrow"}, "passwordFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    }
    make(cluster, namespace, "by-reference", by_reference, more_kinds)
    make(cluster, namespace, "feed", {"feed": {"ingressRef": {"name": "blog"}, "titles": ["a"]}}, more_kinds)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"gopher": {"host": "example.com"}}, "spec.gopher.port"),
        ({"gopher": {"host": "example.com", "port": 70}, "http": {"url": "https://example.com/"}}, "spec"),
        ({"feed": {"url": "https://example.com/", "serviceRef": {"name": "blog"}}}, "spec.feed.url"),
    ],
)
def test_a_kind_that_is_added_is_refused_as_the_others_are(
    cluster: Cluster, more_kinds: str, spec: dict[str, Any], field: str
) -> None:
    body = {"apiVersion": f"{more_kinds}/v1alpha1", "kind": "HealthCheck", "metadata": {"name": "a"}, "spec": spec}
    answer = cluster.api.post(path_of("default").replace("tocsin.dev", more_kinds), json=body)
    assert field in {cause.get("field") for cause in answer.json()["details"]["causes"]}
