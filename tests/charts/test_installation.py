"""The chart on a real API server: installed, upgraded and uninstalled, without a warning."""

import json
from base64 import b64decode
from typing import Any

import pytest

from tests.charts.conftest import CRD, Release
from tests.charts.matrix import MATRIX, TRIAL
from tests.charts.rendering import labels_of
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.programs import Client

KEPT = {"bell-tocsin-bootstrap-token", "bell-tocsin-encryption-keys", "bell-tocsin-trial"}
OF_A_RELEASE = "deployments,statefulsets,services,serviceaccounts,configmaps,secrets,roles,rolebindings,"
OF_A_RELEASE += "poddisruptionbudgets,networkpolicies,horizontalpodautoscalers,ingresses"


def listed(kubectl: Client, kinds: str, namespace: str) -> list[dict[str, Any]]:
    chosen = ("--selector", "app.kubernetes.io/instance=bell")
    items: list[dict[str, Any]] = json.loads(kubectl("get", kinds, "-n", namespace, *chosen, "-o", "json"))["items"]
    return items


# That the other version renders the same is tested without a server.
one_helm = pytest.mark.parametrize("release", ["helm"], indirect=True)


@one_helm
@pytest.mark.parametrize("name", MATRIX)
def test_a_release_is_installed_and_goes_without_a_warning(name: str, release: Release, kubectl: Client) -> None:
    assert release.install(MATRIX[name]) == ""
    assert listed(kubectl, "deployments", release.namespace)
    assert "warning" not in release.uninstall().lower()


@one_helm
def test_the_pods_are_admitted_where_only_restricted_ones_are(release: Release, kubectl: Client) -> None:
    release.install(MATRIX["network policies"])
    for workload in listed(kubectl, "deployments,statefulsets", release.namespace):
        template = workload["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "labels": labels_of(workload)}}
        text = json.dumps({**pod, "spec": template["spec"]})
        assert kubectl("create", "-n", release.namespace, "--dry-run=server", "-o", "name", "-f", "-", stdin=text)


def secrets_of(kubectl: Client, namespace: str) -> dict[str, dict[str, str]]:
    return {secret["metadata"]["name"]: secret["data"] for secret in listed(kubectl, "secrets", namespace)}


def test_an_upgrade_keeps_what_was_generated(release: Release, kubectl: Client) -> None:
    release.install(TRIAL)
    before = secrets_of(kubectl, release.namespace)
    assert set(before) == KEPT
    assert release.upgrade({**TRIAL, "image": {"tag": "2.0.0"}}) == ""
    assert secrets_of(kubectl, release.namespace) == before
    images = kubectl("get", "deployments", "-n", release.namespace, "-o", "jsonpath={..image}").split()
    assert set(images) == {"tocsin:2.0.0"}


def test_what_is_generated_can_be_used(release: Release, kubectl: Client) -> None:
    release.install(TRIAL)
    secrets = secrets_of(kubectl, release.namespace).values()
    data = {key: b64decode(value).decode() for secret in secrets for key, value in secret.items()}
    identity, _, key = data["encryption-keys"].partition(":")
    assert (identity, len(b64decode(key))) == ("k1", 32)
    assert len(data["bootstrap-token"]) >= 24
    assert data["database-url"] == f"postgresql://tocsin:{data['password']}@bell-tocsin-postgres:5432/tocsin"
    assert f"requirepass {data['password']}\n" in data["valkey.conf"]


def test_what_is_left_is_what_is_promised(release: Release, kubectl: Client, cluster: Cluster) -> None:
    release.install({**MATRIX["network policies"], "kubernetesChecks": {"enabled": True}})
    release.uninstall()
    left = listed(kubectl, OF_A_RELEASE, release.namespace)
    assert {f"{made['kind']}/{made['metadata']['name']}" for made in left} == {f"Secret/{name}" for name in KEPT}
    in_cluster = listed(kubectl, "clusterroles,clusterrolebindings", release.namespace)
    assert not [made for made in in_cluster if made["metadata"]["name"].startswith(release.namespace)]
    assert cluster.api.get(CRD).is_success


def test_a_definition_that_is_not_kept_goes(release: Release, cluster: Cluster) -> None:
    release.install(MATRIX["a definition that goes"])
    release.uninstall()
    gone = cluster.api.get(CRD)
    assert gone.status_code == 404 or "deletionTimestamp" in gone.json()["metadata"]


def test_a_release_that_comes_back_finds_what_it_left(release: Release, kubectl: Client) -> None:
    release.install(TRIAL)
    before = secrets_of(kubectl, release.namespace)
    release.uninstall()
    assert release.install(TRIAL) == ""
    assert secrets_of(kubectl, release.namespace) == before
