"""An operator that ends and starts again does nothing twice, and finds what happened meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.kubernetes.convergence.operators import HTTP, Cluster, new_name, wait_until


@contextmanager
def down(cluster: Cluster) -> Iterator[None]:
    """The operator ends, and starts again afterwards."""
    [operator] = cluster.operators
    operator.terminate()
    assert operator.wait() == 0
    yield
    operator.start()


def ask(cluster: Cluster, query: str, *arguments: object) -> Any:
    return asyncio.run(cluster.platform.ask(query, *arguments))


def live_checks(cluster: Cluster, name: str) -> int:
    query = "SELECT count(*) FROM checks WHERE name = $1 AND deleted_at IS NULL AND NOT paused"
    return int(ask(cluster, query, name))


def revisions(cluster: Cluster, name: str) -> int:
    query = "SELECT count(*) FROM check_versions v JOIN checks c ON c.id = v.check_id WHERE c.name = $1"
    return int(ask(cluster, query, name))


def begin_again(cluster: Cluster) -> None:
    """Wait until the operator applies what is new."""
    marker = new_name()
    cluster.apply(marker, interval="1h", http=HTTP)
    cluster.until_applied(marker, seconds=60)


def test_what_is_in_step_is_neither_applied_nor_written_again(operated: Cluster, name: str) -> None:
    before = operated.get(name)["metadata"]["resourceVersion"]
    with down(operated):
        pass
    begin_again(operated)
    assert (operated.get(name)["metadata"]["resourceVersion"], revisions(operated, name)) == (before, 1)


def test_a_killed_operator_goes_on_when_its_lease_is_over(operated: Cluster, name: str) -> None:
    before = operated.get(name)["metadata"]["resourceVersion"]
    [operator] = operated.operators
    operator.kill()
    operator.start()
    begin_again(operated)
    assert (operated.get(name)["metadata"]["resourceVersion"], revisions(operated, name)) == (before, 1)


def test_an_object_that_changed_meanwhile_is_applied(operated: Cluster, name: str) -> None:
    with down(operated):
        operated.apply(name, interval="2h", http=HTTP)
    operated.until_applied(name)
    assert ask(operated, "SELECT interval_seconds FROM checks WHERE name = $1", name) == 7200


def test_an_object_that_was_deleted_meanwhile_takes_its_check_along(operated: Cluster, name: str) -> None:
    with down(operated):
        operated.run("delete", "thc", name)
    wait_until(lambda: live_checks(operated, name), lambda count: count == 0)


def test_an_object_that_was_made_anew_meanwhile_has_a_new_check(operated: Cluster, name: str) -> None:
    before = operated.status(name)["checkID"]
    with down(operated):
        operated.run("delete", "thc", name)
        operated.apply(name, interval="1h", http=HTTP)
    operated.until_applied(name)
    assert operated.status(name)["checkID"] != before
    wait_until(lambda: live_checks(operated, name), lambda count: count == 1)


def test_an_object_that_was_made_anew_meanwhile_adopts_the_check_that_was_retained(operated: Cluster) -> None:
    name = new_name()
    operated.apply(name, interval="1h", deletionPolicy="Retain", http=HTTP)
    operated.until_applied(name)
    before = operated.status(name)["checkID"]
    with down(operated):
        operated.run("delete", "thc", name)
        operated.apply(name, interval="1h", deletionPolicy="Retain", http=HTTP)
    operated.until_applied(name)
    assert (operated.status(name)["checkID"], live_checks(operated, name)) == (before, 1)


def test_an_object_that_is_gone_leaves_the_check_that_it_retains(operated: Cluster) -> None:
    name = new_name()
    operated.apply(name, interval="1h", deletionPolicy="Retain", http=HTTP)
    operated.until_applied(name)
    with down(operated):
        operated.run("delete", "thc", name)
    paused = "SELECT paused FROM checks WHERE name = $1 AND deleted_at IS NULL"
    wait_until(lambda: ask(operated, paused, name), lambda found: found is True)
