"""Two replicas: one leads, the other stands by, and whatever happens to the first, the work goes on, and once."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.engine.harness import EngineProcess
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.convergence.operators import HTTP, Cluster, new_name, wait_until
from tests.kubernetes.convergence.shared import operator_token


@pytest.fixture(scope="module")
def two(cluster: Servers, unwatched: Cluster) -> Cluster:
    """Two replicas for all tests of the module, which leave both running."""
    unwatched.kubeconfig = cluster.kubeconfig_with(operator_token(cluster, unwatched.namespace))
    for _ in range(2):
        unwatched.operator()
    apply(unwatched)
    return unwatched


def lease(cluster: Cluster) -> Any:
    return json.loads(cluster.run("get", "lease", "tocsin-operator", "-o", "json"))["spec"]


def leader(cluster: Cluster) -> EngineProcess:
    holder = lease(cluster)["holderIdentity"]
    return next(operator for operator in cluster.operators if f'"identity":"{holder}"' in operator.said)


def apply(cluster: Cluster) -> float:
    """How long it took until a new object was in step, in seconds."""
    name, started = new_name(), time.monotonic()
    cluster.apply(name, interval="1h", http=HTTP)
    cluster.until_applied(name, seconds=60)
    return time.monotonic() - started


def times_said(operator: EngineProcess, event: str) -> int:
    return operator.said.count(f'"event":"{event}"')


def test_one_of_two_leads(two: Cluster) -> None:
    apply(two)
    assert sum(times_said(operator, "leading") for operator in two.operators) == 1


def test_the_other_leads_at_once_when_the_leader_ends(two: Cluster) -> None:
    ended = leader(two)
    ended.terminate()
    assert (ended.wait(), apply(two) < 6) == (0, True)
    ended.start()


def test_the_other_leads_when_the_lease_of_a_killed_leader_is_over(two: Cluster) -> None:
    killed = leader(two)
    killed.kill()
    assert apply(two) < 22
    killed.start()


def test_a_leader_that_was_frozen_leaves_the_lead_to_the_other(two: Cluster) -> None:
    frozen = leader(two)
    lost = times_said(frozen, "leadership_lost")
    frozen.freeze()
    apply(two)
    holder = lease(two)["holderIdentity"]
    frozen.thaw()
    wait_until(lambda: times_said(frozen, "leadership_lost"), lambda count: count > lost)
    apply(two)
    assert (lease(two)["holderIdentity"], frozen.is_running) == (holder, True)


def test_nothing_was_done_twice(two: Cluster) -> None:
    query = "SELECT count(*) = count(DISTINCT (check_id, revision)) AND max(revision) = 1 FROM check_versions"
    names = "SELECT count(*) = count(DISTINCT name) FROM checks"
    assert asyncio.run(two.platform.ask(query))
    assert asyncio.run(two.platform.ask(names))


def test_a_lease_that_nobody_holds_any_more_is_taken(two: Cluster) -> None:
    two.run("delete", "lease", "tocsin-operator")
    wait_until(lambda: lease(two)["holderIdentity"], bool)
    apply(two)
