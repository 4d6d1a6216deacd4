"""A Kubernetes API for each session of tests that wants one, and a namespace of its own for each test."""

import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.kubernetes.accounts import Rules, allow, make_account
from tests.kubernetes.cluster import Cluster, running_cluster
from tests.kubernetes.fault_proxy import FaultProxy, proxy_before
from tests.kubernetes.programs import Client, installed

DEFINITION = Path(__file__).parent.parent.parent / "charts/tocsin/files/crds/healthchecks.yaml"
MakeAccount = Callable[[Rules], Path]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("kubernetes")
    with running_cluster(folder) as cluster:
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def controllers(cluster: Cluster) -> None:
    """Owners are missed, and namespaces emptied and given their service account."""
    cluster.controllers.start()


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Client:
    return Client(installed("kubectl"), cluster.kubeconfig, cluster.folder)


@pytest.fixture(scope="session")
def helm(cluster: Cluster) -> Client:
    return Client(installed("helm"), cluster.kubeconfig, cluster.folder)


@pytest.fixture(scope="session")
def helm_3(cluster: Cluster) -> Client:
    return Client(installed("helm-3"), cluster.kubeconfig, cluster.folder)


@pytest.fixture(scope="session")
def definition(kubectl: Client) -> None:
    """The API server knows HealthChecks."""
    kubectl("apply", "--server-side", "-f", DEFINITION)
    kubectl.await_definition("-f", DEFINITION)


@pytest.fixture
def namespace(cluster: Cluster, controllers: None) -> Iterator[str]:
    """A new one; its deletion is not waited for."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    cluster.api.delete(f"/api/v1/namespaces/{name}").raise_for_status()


@pytest.fixture
def account(cluster: Cluster, namespace: str) -> MakeAccount:
    """Makes a service account with these rights in the test's namespace; returns its kubeconfig."""

    def make(rules: Rules) -> Path:
        name = f"account-{secrets.token_hex(4)}"
        make_account(cluster, namespace, name)
        allow(cluster, namespace, name, rules)
        return cluster.kubeconfig_with(cluster.token_of(namespace, name))

    return make


@pytest.fixture
async def fault_proxy(cluster: Cluster) -> AsyncIterator[FaultProxy]:
    async with proxy_before(cluster) as proxy:
        yield proxy
