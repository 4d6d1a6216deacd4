"""The API server, the database and the definition go away and come back: what was asked for meanwhile is done."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml

from tests.conftest import TEMPLATE
from tests.engine.harness import Platform, eventually
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.conftest import DEFINITION
from tests.kubernetes.convergence.operators import HTTP, Cluster, healthcheck, new_name, wait_until
from tests.kubernetes.convergence.shared import copy_database
from tests.kubernetes.convergence.targets import Target
from tests.kubernetes.programs import Client

MANY = 100
SECONDS_FROZEN = 3
SECONDS_UNTIL_SETTLED = 2


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.soak)])
async def test_probing_goes_on_without_the_api_server_and_the_operator_with_it(
    watched: Cluster, target: Target, engine: Platform, cluster: Servers, seconds: int
) -> None:
    watched.operator()
    watched.apply("web", interval="1s", http={"url": target.url})
    watched.wait("web", "Healthy")
    since = await engine.now()
    cluster.api_server.kill()
    await asyncio.sleep(seconds)
    total = await engine.settled(since)
    cluster.api_server.start()
    assert (total.silent, total.missed) == ([], {})
    assert total.probed >= seconds - 1
    watched.apply("web", interval="2s", http={"url": target.url})
    watched.until_applied("web", seconds=60)


async def test_a_database_that_is_away_is_said_where_it_is_needed(operated: Cluster, name: str) -> None:
    other = new_name()
    before = operated.get(name)["metadata"]["resourceVersion"]
    await operated.platform.kill_postgres()
    operated.apply(other, interval="1h", http=HTTP)
    operated.wait_reason(other, "Synced", "DatabaseUnavailable")
    assert operated.condition(other, "Ready")["status"] == "False"
    await operated.platform.start_postgres()
    operated.until_applied(other)
    assert operated.get(name)["metadata"]["resourceVersion"] == before


async def test_what_was_known_stays_while_the_database_is_away(operated: Cluster, name: str) -> None:
    before = operated.status(name)["checkID"]
    await operated.platform.kill_postgres()
    operated.apply(name, interval="2h", http=HTTP)
    operated.wait_reason(name, "Synced", "DatabaseUnavailable")
    assert (operated.status(name)["checkID"], operated.status(name)["state"]) == (before, "PENDING")
    await operated.platform.start_postgres()
    operated.until_applied(name)


async def test_a_database_that_is_frozen_is_waited_for(operated: Cluster, name: str) -> None:
    operated.platform.freeze_postgres()
    operated.apply(name, interval="2h", http=HTTP)
    await asyncio.sleep(SECONDS_FROZEN)
    operated.platform.thaw_postgres()
    operated.until_applied(name)


async def test_an_operator_that_starts_without_its_database_waits_for_it(operated: Cluster, name: str) -> None:
    other, before = new_name(), operated.get(name)["metadata"]["resourceVersion"]
    await restart_without_database(operated)
    operated.apply(other, interval="1h", http=HTTP)
    operated.wait_reason(other, "Synced", "DatabaseUnavailable")
    await operated.platform.start_postgres()
    operated.until_applied(other)
    assert operated.get(name)["metadata"]["resourceVersion"] == before


async def test_what_is_deleted_without_operator_and_database_takes_its_check_along(
    operated: Cluster, name: str
) -> None:
    await restart_without_database(operated)
    operated.run("delete", "thc", name)
    await operated.platform.start_postgres()
    query = "SELECT count(*) = 0 FROM checks WHERE name = $1 AND deleted_at IS NULL"
    await eventually(lambda: operated.platform.ask(query, name), 30)


async def restart_without_database(cluster: Cluster) -> None:
    [operator] = cluster.operators
    operator.terminate()
    operator.wait()
    await cluster.platform.kill_postgres()
    operator.start()


async def test_checks_that_a_database_forgot_are_made_again(operated: Cluster, name: str) -> None:
    platform = operated.platform
    # Whoever is new to the operator it looks at twice.
    await asyncio.sleep(SECONDS_UNTIL_SETTLED)
    await copy_database(platform.servers.database_url, TEMPLATE, await platform.ask("SELECT current_database()"))
    await platform.prepare()
    query = "SELECT count(*) = 1 FROM checks WHERE name = $1"
    await eventually(lambda: platform.ask(query, name), 60)
    operated.until_applied(name)


def make_many(cluster: Cluster) -> None:
    """Make many objects, wait until the operator knows them, and let it go for good."""
    operator = cluster.operator()
    objects = [healthcheck(f"check-{number}", interval="1h", http=HTTP) for number in range(MANY)]
    cluster.run("create", "-f", "-", stdin=yaml.safe_dump_all(objects))
    ready = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
    wait_until(lambda: cluster.run("get", "thc", "-o", ready), lambda found: found.count("True") == MANY)
    operator.terminate()
    operator.wait()


def test_a_namespace_is_deleted_soon_also_without_the_operator(
    watched: Cluster, kubectl: Client, cluster: Servers
) -> None:
    kubectl("create", "namespace", "leaving")
    make_many(replace(watched, namespace="leaving", kubeconfig=cluster.kubeconfig))
    kubectl("delete", "namespace", "leaving", "--timeout=30s")


@pytest.fixture
def without_definition(kubectl: Client, watched: Cluster) -> Iterator[Cluster]:
    """The API server does not know HealthChecks, and later tests find that it does."""
    kubectl("delete", "--timeout=30s", "-f", DEFINITION)
    yield watched
    define(kubectl)


def define(kubectl: Client) -> None:
    kubectl("apply", "--server-side", "-f", DEFINITION)
    kubectl.await_definition("-f", DEFINITION)


def test_an_operator_that_is_there_before_the_definition_waits_for_it(
    without_definition: Cluster, kubectl: Client
) -> None:
    operator = without_definition.operator()
    wait_until(lambda: operator.said, lambda said: "tocsin crd" in said)
    define(kubectl)
    without_definition.apply("web", interval="1h", http=HTTP)
    without_definition.until_applied("web", seconds=60)


async def test_a_definition_is_deleted_soon_and_its_checks_end_when_it_is_back(
    watched: Cluster, kubectl: Client
) -> None:
    make_many(watched)
    kubectl("delete", "--timeout=30s", "-f", DEFINITION)
    define(kubectl)
    watched.operators[0].start()
    query = "SELECT count(*) = 0 FROM checks WHERE deleted_at IS NULL"
    await eventually(lambda: watched.platform.ask(query), 60)


async def test_an_operator_goes_on_after_its_definition_was_away(watched: Cluster, kubectl: Client) -> None:
    watched.operator()
    watched.apply("web", interval="1h", http=HTTP)
    watched.until_applied("web")
    kubectl("delete", "--timeout=30s", "-f", DEFINITION)
    define(kubectl)
    watched.apply("web", interval="2h", http=HTTP)
    watched.until_applied("web", seconds=60)
