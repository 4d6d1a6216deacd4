"""An operator on a real API server and a real database, beside an engine that probes."""

from collections.abc import Iterator

import pytest

from tests.engine.conftest import killable_servers, platform
from tests.engine.harness import Platform
from tests.kubernetes.conftest import MakeAccount
from tests.kubernetes.convergence.operators import KEYS, RULES, SECRET_RULES, Cluster
from tests.kubernetes.convergence.targets import Target, served_target
from tests.kubernetes.programs import Client

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
