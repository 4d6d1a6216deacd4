"""What stands in the objects: what is wrong with a spec, what others write, and how much is written."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from healthcheck_operator.resources import path_of
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.cluster import free_ports
from tests.kubernetes.convergence.operators import HTTP, Cluster, healthcheck, new_name, wait_until
from tests.kubernetes.convergence.shared import OFTEN, operator_token, own_namespace

MANY = 300
SECONDS_OF_SILENCE = 5


@pytest.fixture(scope="module")
def other_namespace(cluster: Servers, unwatched: Cluster) -> Iterator[str]:
    with own_namespace(cluster) as name:
        yield name


@pytest.fixture(scope="module")
def port() -> int:
    [port] = free_ports(1)
    return port


@pytest.fixture(scope="module")
def operated(cluster: Servers, unwatched: Cluster, other_namespace: str, port: int) -> Cluster:
    """An operator of two namespaces for all tests of the module."""
    namespaces = (unwatched.namespace, other_namespace)
    unwatched.kubeconfig = cluster.kubeconfig_with(operator_token(cluster, *namespaces))
    unwatched.operator(OFTEN, TOCSIN_WATCH_NAMESPACES=",".join(namespaces), TOCSIN_METRICS_PORT=str(port))
    return unwatched


def metric(port: int, name: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


BAD = {
    "spec.schedule": {"schedule": "0 0 30 2 *", "http": HTTP},
    "spec.http.url": {"interval": "1m", "http": {"url": "http://xn--zzzzzzzzzz99.example/"}},
}


@pytest.mark.parametrize("path", BAD)
def test_a_spec_that_will_never_do_is_stalled_and_says_where(operated: Cluster, path: str) -> None:
    name = new_name()
    operated.apply(name, **BAD[path])
    operated.wait(name, "Stalled")
    ready = operated.condition(name, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert ready["message"].startswith(f"{path} ")


def test_a_spec_that_will_never_do_is_told_once_and_not_tried_again(operated: Cluster, port: int) -> None:
    name = new_name()
    operated.apply(name, **BAD["spec.schedule"])
    wait_until(lambda: operated.events(name), bool)
    before = metric(port, "tocsin_operator_status_writes_total")
    time.sleep(SECONDS_OF_SILENCE)
    assert metric(port, "tocsin_operator_status_writes_total") == before
    assert [each["reason"] for each in operated.events(name)] == ["InvalidSpec"]


def test_a_check_goes_on_as_it_was_when_its_new_spec_will_never_do(operated: Cluster, name: str) -> None:
    before = operated.status(name)["checkID"]
    operated.apply(name, schedule="0 0 30 2 *", http=HTTP)
    operated.wait(name, "Stalled")
    assert operated.status(name)["checkID"] == before
    operated.apply(name, interval="2h", http=HTTP)
    operated.until_applied(name)
    assert operated.status(name)["checkID"] == before


def test_the_same_name_in_two_namespaces_is_two_checks(operated: Cluster, name: str, other_namespace: str) -> None:
    objects = yaml.safe_dump(healthcheck(name, interval="1h", http=HTTP))
    operated.kubectl("-n", other_namespace, "apply", "-f", "-", stdin=objects)
    operated.kubectl("-n", other_namespace, "wait", "--for=condition=Ready", f"thc/{name}", "--timeout=30s")
    other = operated.kubectl("-n", other_namespace, "get", "thc", name, "-o", "jsonpath={.status.checkID}")
    assert other != operated.status(name)["checkID"]


def patch_status(cluster: Cluster, name: str, status: dict[str, Any], *options: str) -> None:
    content = {**healthcheck(name), "status": status}
    del content["spec"]
    cluster.run("apply", "--server-side", "--subresource=status", *options, "-f", "-", stdin=yaml.safe_dump(content))


def test_what_others_say_in_conditions_stays(operated: Cluster, name: str) -> None:
    condition = {
        "type": "example.com/Approved",
        "status": "True",
        "reason": "Reviewed",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch_status(operated, name, {"conditions": [condition]}, "--field-manager=reviewer")
    operated.apply(name, interval="2h", http=HTTP)
    operated.until_applied(name)
    assert operated.condition(name, "example.com/Approved")["reason"] == "Reviewed"


def test_a_status_that_somebody_edits_is_put_right(operated: Cluster, name: str) -> None:
    status = {**operated.status(name), "state": "UP", "type": "tcp"}
    operated.run("patch", "thc", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    wait_until(lambda: operated.status(name), lambda seen: (seen["state"], seen["type"]) == ("PENDING", "http"))


def test_a_condition_that_somebody_takes_away_comes_back(operated: Cluster, name: str) -> None:
    operated.run(
        "patch", "thc", name, "--subresource=status", "--type=json", "-p", '[{"op": "remove", "path": "/status"}]'
    )
    operated.until_applied(name)


def test_hundreds_of_objects_are_in_step_soon_and_leave_nothing_behind(operated: Cluster) -> None:
    prefix = new_name()
    objects = [healthcheck(f"{prefix}-{number}", interval="1h", http=HTTP) for number in range(MANY)]
    for each in objects:
        each["metadata"]["labels"] = {"of": prefix}
    operated.run("create", "-f", "-", stdin=yaml.safe_dump_all(objects))
    ready = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
    wait_until(
        lambda: operated.run("get", "thc", "-l", f"of={prefix}", "-o", ready), lambda found: found.count("True") == MANY
    )
    operated.kubectl("delete", "--raw", f"{path_of(operated.namespace)}?labelSelector=of%3D{prefix}")
    left = "SELECT count(*) FROM checks WHERE name LIKE $1 AND deleted_at IS NULL"
    wait_until(lambda: asyncio.run(operated.platform.ask(left, f"{prefix}-%")), lambda count: count == 0)
