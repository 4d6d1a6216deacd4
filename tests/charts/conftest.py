"""A Kubernetes API for the chart, and a namespace of the strictest kind."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.charts.matrix import Values
from tests.charts.rendering import CHART
from tests.kubernetes.cluster import Cluster

# Fixtures of the tests on Kubernetes, for these tests as well.
from tests.kubernetes.conftest import cluster, controllers, helm, helm_3, kubectl  # noqa: F401
from tests.kubernetes.programs import Client

HELMS = ("helm", "helm_3")  # fixtures
STRICTEST = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRD = f"{DEFINITIONS}/healthchecks.tocsin.dev"


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


@contextmanager
def new_release(cluster: Cluster, helm: Client) -> Iterator[Release]:  # noqa: F811 - the fixture of that name
    """Not installed yet, in a namespace of its own that refuses all that is not restricted, and warns of it."""
    release = Release(helm, f"test-{secrets.token_hex(4)}")
    cluster.create("/api/v1/namespaces", {"metadata": {"name": release.namespace, "labels": STRICTEST}})
    yield release
    release.uninstall()
    # It is kept when the release goes, with the name of its owner.
    delete_definition(cluster)
    cluster.api.delete(f"/api/v1/namespaces/{release.namespace}")


def delete_definition(cluster: Cluster) -> None:  # noqa: F811 - the fixture of that name
    """Returns when it is gone: as long as it is being deleted, no other release can bring it."""
    ours = {"watch": "true", "fieldSelector": "metadata.name=healthchecks.tocsin.dev"}
    with cluster.api.stream("GET", DEFINITIONS, params=ours, timeout=30) as watch:
        if cluster.api.delete(CRD).is_success:
            assert any(json.loads(line)["type"] == "DELETED" for line in watch.iter_lines())


@pytest.fixture(scope="session")
def teams(cluster: Cluster, controllers: None) -> None:  # noqa: F811 - the fixture of that name
    """The namespaces that the values speak of."""
    for team in ("team-a", "team-b"):
        cluster.create("/api/v1/namespaces", {"metadata": {"name": team}})


@pytest.fixture(params=HELMS)
def release(request: pytest.FixtureRequest, cluster: Cluster, teams: None) -> Iterator[Release]:  # noqa: F811 - the fixture of that name
    """A release of each helm, for one test."""
    with new_release(cluster, request.getfixturevalue(request.param)) as release:
        yield release
