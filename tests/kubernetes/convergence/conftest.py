"""An operator on a real API server and a real database, beside an engine that probes."""

from collections.abc import Iterator

import pytest

from tests.engine.conftest import killable_servers, platform
from tests.engine.harness import Platform
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.conftest import MakeAccount
from tests.kubernetes.convergence.operators import HTTP, KEYS, RULES, SECRET_RULES, Cluster, new_name
from tests.kubernetes.convergence.shared import BRIEFLY, OFTEN, operator_token, own_namespace, own_platform
from tests.kubernetes.convergence.targets import Target, served_target
from tests.kubernetes.programs import Client
from tocsin.embedded import EmbeddedServers

__all__ = ["killable_servers", "platform"]


@pytest.fixture
def watched(platform: Platform, kubectl: Client, definition: None, namespace: str, account: MakeAccount) -> Cluster:
    """A namespace without an operator yet."""
    return Cluster(platform, kubectl, namespace, account([*RULES, *SECRET_RULES]))


@pytest.fixture
def target() -> Iterator[Target]:
    with served_target() as target:
        yield target


@pytest.fixture
def engine(platform: Platform) -> Platform:
    """A scheduler and a worker."""
    platform.scheduler()
    platform.worker(TOCSIN_ENCRYPTION_KEYS=KEYS)
    return platform


@pytest.fixture(scope="module")
def unwatched(
    killable_servers: EmbeddedServers,
    cluster: Servers,
    controllers: None,
    kubectl: Client,
    definition: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """A namespace for all tests of a module, without an operator yet."""
    folder = tmp_path_factory.mktemp("operator")
    with own_platform(killable_servers, folder) as platform, own_namespace(cluster) as namespace:
        yield Cluster(platform, kubectl, namespace, cluster.kubeconfig)


@pytest.fixture(scope="module")
def operated(cluster: Servers, unwatched: Cluster) -> Cluster:
    """An operator for all tests of a module, which leave it running. It sweeps often, and leads for a short time."""
    unwatched.kubeconfig = cluster.kubeconfig_with(operator_token(cluster, unwatched.namespace))
    unwatched.operator(OFTEN + BRIEFLY)
    return unwatched


@pytest.fixture
def name(operated: Cluster) -> str:
    """A check that is in step."""
    name = new_name()
    operated.apply(name, interval="1h", http=HTTP)
    operated.until_applied(name)
    return name
