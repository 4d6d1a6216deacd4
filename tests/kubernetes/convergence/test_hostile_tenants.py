"""What whoever can write objects of a namespace may try, and what must not come of it."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import yaml

from healthcheck_operator.cluster import open_cluster
from healthcheck_operator.reporting import Report, send_report
from healthcheck_operator.resources import HealthCheck
from tests.kubernetes.accounts import allow, make_account
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.convergence.operators import KEYS, RULES, SECRET_RULES, Cluster, healthcheck, new_name, wait_until
from tests.kubernetes.convergence.targets import Target, served_target
from tocsin.kubernetes import find_cluster

TOKEN = "swordfish-of-the-deep"
ACCOUNT = "operator-and-gateways"
GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY_RULES = [{"apiGroups": [GATEWAY_API], "resources": ["httproutes", "gateways"], "verbs": ["get"]}]
NEVER_PROBED = {"interval": "1h", "http": {"url": "http://127.0.0.1:9/"}}
MANY = 20
RUNS = "SELECT count(*) FROM runs r JOIN checks c ON c.id = r.check_id WHERE c.name = $1"


@pytest.fixture(scope="module")
def operated(cluster: Servers, unwatched: Cluster) -> Cluster:
    """An operator that may read Secrets and routes, beside an engine."""
    make_account(cluster, unwatched.namespace, ACCOUNT)
    allow(cluster, unwatched.namespace, ACCOUNT, [*RULES, *SECRET_RULES, *GATEWAY_RULES])
    unwatched.kubeconfig = cluster.kubeconfig_with(cluster.token_of(unwatched.namespace, ACCOUNT))
    unwatched.platform.scheduler()
    unwatched.platform.worker(TOCSIN_ENCRYPTION_KEYS=KEYS)
    unwatched.operator(TOCSIN_SECRET_NAMESPACES=unwatched.namespace)
    return unwatched


def create(cluster: Cluster, content: dict[str, Any]) -> None:
    cluster.run("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(content))


def put_secret(cluster: Cluster, name: str, value: str) -> None:
    metadata = {"name": name}
    create(cluster, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": value}})


def apply_with_secret(cluster: Cluster, name: str, target: Target) -> None:
    header = {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": name, "key": "token"}}}
    cluster.apply(name, interval="1s", http={"url": target.url, "headers": [header]})


def test_an_emptied_secret_takes_no_earlier_value_to_another_target(operated: Cluster, target: Target) -> None:
    name = new_name()
    put_secret(operated, name, TOKEN)
    apply_with_secret(operated, name, target)
    operated.wait(name, "Healthy")
    put_secret(operated, name, "")
    with served_target() as other:
        apply_with_secret(operated, name, other)
        found = operated.wait_reason(name, "SecretsResolved", "InvalidValue")
        assert found["message"] == f"Secret {name} holds nothing under token; give it a value"
        probes = len(target.authorizations)
        # An edit is in force three seconds after it.
        wait_until(lambda: len(target.authorizations), lambda count: count > probes + 4)
        assert other.authorizations == []


def test_a_new_value_goes_to_the_new_target_alone(operated: Cluster, target: Target) -> None:
    name = new_name()
    put_secret(operated, name, TOKEN)
    apply_with_secret(operated, name, target)
    operated.wait(name, "Healthy")
    put_secret(operated, name, "rotated")
    with served_target() as other:
        apply_with_secret(operated, name, other)
        wait_until(lambda: len(other.authorizations), lambda count: count > 2)
        assert set(target.authorizations) == {TOKEN}
        assert set(other.authorizations) == {"rotated"}


@pytest.fixture(scope="module")
def gateway_api(operated: Cluster) -> Iterator[None]:
    """The cluster knows routes and Gateways, and like the Gateway API takes any text for a name."""
    definitions = [custom("httproutes", "HTTPRoute"), custom("gateways", "Gateway")]
    for each in definitions:
        create(operated, each)
        operated.run("wait", "--for=condition=Established", f"crd/{each['metadata']['name']}")
    yield
    operated.run("delete", "crd", *(each["metadata"]["name"] for each in definitions))


def custom(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    approval = {"api-approved.kubernetes.io": "unapproved, for tests"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GATEWAY_API}", "annotations": approval},
        "spec": {
            "group": GATEWAY_API,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def route(name: str, gateway: str) -> dict[str, Any]:
    spec = {"hostnames": ["shop.example.com"], "parentRefs": [{"name": gateway}]}
    return {"apiVersion": f"{GATEWAY_API}/v1", "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


def test_no_annotation_keeps_the_watch_from_telling(operated: Cluster) -> None:
    evil = healthcheck(name := new_name(), **NEVER_PROBED)
    evil["metadata"]["annotations"] = {"kopf.zalando.org/last-handled-configuration": "{"}
    create(operated, evil)
    for interval in ("2h", "3h"):
        # Sooner than two sweeps come.
        operated.run("patch", "thc", name, "--type=merge", "-p", f"spec: {{interval: {interval}}}")
        operated.until_applied(name, seconds=15)


@pytest.mark.parametrize("secret", ["there", "nowhere"])
def test_a_route_leads_to_gateways_alone(operated: Cluster, gateway_api: None, secret: str) -> None:
    name = new_name()
    put_secret(operated, "there", TOKEN)
    create(operated, route(name, f"../../../../../../api/v1/namespaces/{operated.namespace}/secrets/{secret}"))
    operated.apply(name, http={"httpRouteRef": {"name": name}})
    found = operated.wait_reason(name, "TargetResolved", "NotFound")
    assert found["message"] == "a parentRef of the HTTPRoute names no Gateway; give it the name of one"


def test_a_gateway_tells_whether_it_is_https(operated: Cluster, gateway_api: None) -> None:
    name = new_name()
    listeners = [{"name": "web", "protocol": "HTTPS"}]
    gateway = {"apiVersion": f"{GATEWAY_API}/v1", "kind": "Gateway", "metadata": {"name": name}}
    create(operated, {**gateway, "spec": {"listeners": listeners}})
    create(operated, route(name, name))
    operated.apply(name, http={"httpRouteRef": {"name": name}})
    operated.wait(name, "TargetResolved")
    assert operated.status(name)["target"] == "https://shop.example.com/"


def test_a_service_that_leads_to_no_host_is_looked_at_again(operated: Cluster) -> None:
    name = new_name()
    spec = {"type": "ExternalName", "externalName": "0x7f.1", "ports": [{"port": 80}]}
    create(operated, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
    operated.apply(name, http={"serviceRef": {"name": name}})
    found = operated.wait_reason(name, "TargetResolved", "InvalidValue")
    assert found["message"].startswith("the value of spec.http.url must be a host name")
    assert operated.condition(name, "Stalled")["status"] == "False"


async def test_a_long_note_is_an_event_in_every_script(operated: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(operated.kubeconfig))
    name = new_name()
    healthcheck = HealthCheck(operated.namespace, name, UUID(int=1), 1, 1, {}, {}, None)
    async with open_cluster(find_cluster()) as cluster:
        await send_report(cluster, healthcheck, Report(is_warning=True, reason="Down", action="Probe", note="ж" * 1000))
    [event] = operated.events(name)
    assert len(event["message"]) == 500


def test_many_annotations_make_one_run(operated: Cluster) -> None:
    name = new_name()
    operated.apply(name, **NEVER_PROBED)
    operated.until_applied(name)
    [worker] = [each for each in operated.platform.processes if each.module == "probes.worker"]
    worker.freeze()
    for number in range(MANY):
        operated.run("annotate", "thc", name, "--overwrite", f"tocsin.dev/run-at={number}")
    wait_until(lambda: operated.get(name)["metadata"]["annotations"], lambda left: "tocsin.dev/run-at" not in left)
    worker.thaw()
    assert asyncio.run(operated.platform.ask(RUNS, name)) == 1
