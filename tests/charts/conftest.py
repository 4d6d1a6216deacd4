"""A Kubernetes API for the chart, and a namespace of the strictest kind."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.charts.matrix import Values
from tests.charts.rendering import CHART
from tests.kubernetes.cluster import Cluster

# Fixtures of the tests on Kubernetes, for these tests as well.
from tests.kubernetes.conftest import cluster, controllers, helm, helm_3, kubectl, namespace  # noqa: F401
from tests.kubernetes.programs import Client

STRICTEST = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/healthchecks.tocsin.dev"


@dataclass(frozen=True)
class Release:
    """A release in a namespace, by one version of helm. Each command returns what helm said on standard error."""

    helm: Client
    namespace: str
    name: str = "bell"

    def install(self, values: Values) -> str:
        return self._run("install", values, str(CHART))

    def upgrade(self, values: Values) -> str:
        return self._run("upgrade", values, str(CHART))

    def uninstall(self) -> str:
        return self._run("uninstall", None, "--ignore-not-found")

    def _run(self, command: str, values: Values | None, *arguments: str) -> str:
        """Raises AssertionError with what helm said when it refuses."""
        given = () if values is None else ("--values", "-")
        done = subprocess.run(
            [self.helm.program, command, self.name, *arguments, "--namespace", self.namespace, *given],
            env={"KUBECONFIG": str(self.helm.kubeconfig), "HOME": str(self.helm.home)},
            input=json.dumps(values),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture(params=["helm", "helm_3"])
def release(request: pytest.FixtureRequest, cluster: Cluster, namespace: str) -> Iterator[Release]:  # noqa: F811
    """Not installed yet, in a namespace that refuses all that is not restricted, and warns of it; with each helm."""
    client: Client = request.getfixturevalue(request.param)
    cluster.api.patch(
        f"/api/v1/namespaces/{namespace}",
        json={"metadata": {"labels": STRICTEST}},
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    for team in ("team-a", "team-b"):
        cluster.api.post("/api/v1/namespaces", json={"metadata": {"name": team}})
    release = Release(client, namespace)
    yield release
    release.uninstall()
    # It is kept when the release goes, with the name of its owner.
    cluster.api.delete(CRD)
