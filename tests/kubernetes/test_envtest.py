"""The API server of these tests is a real one, and the proxy before it breaks what it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.conftest import MakeAccount
from tests.kubernetes.fault_proxy import FaultProxy
from tests.kubernetes.faults import expired_watch, refusal
from tests.kubernetes.programs import Client, CommandError

NAMESPACES = "/api/v1/namespaces"


def config_map(name: str, **data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def test_kubectl_applies_an_object(kubectl: Client, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=config_map("colours", sky="blue"))
    assert kubectl("get", "-n", namespace, "configmap/colours", "-o", "jsonpath={.data.sky}") == "blue"


def test_pod_security_refuses_a_privileged_pod(kubectl: Client, namespace: str) -> None:
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    kubectl("wait", "-n", namespace, "--for=create", "serviceaccount/default")
    command = ["run", "-n", namespace, "--image=none", "--privileged", "--dry-run=server", "pod"]
    with pytest.raises(CommandError, match='violates PodSecurity "restricted:latest": privileged'):
        kubectl(*command)


def test_a_service_account_has_the_rights_that_it_was_given(
    kubectl: Client, namespace: str, account: MakeAccount
) -> None:
    kubeconfig = account([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}])
    as_account = kubectl.using(kubeconfig)
    assert as_account("get", "-n", namespace, "configmaps", "-o", "name") == ""
    with pytest.raises(CommandError, match='cannot list resource "secrets"'):
        as_account("get", "-n", namespace, "secrets")


def test_a_deleted_namespace_goes_with_what_is_in_it(kubectl: Client, controllers: None) -> None:
    kubectl("create", "namespace", "passing")
    kubectl("apply", "-n", "passing", "-f", "-", stdin=config_map("colours"))
    kubectl("delete", "namespace", "passing", "--timeout=30s")
    assert "passing" not in kubectl("get", "namespaces", "-o", "name")


def test_what_lost_its_owner_is_deleted(kubectl: Client, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=config_map("owner"))
    uid = kubectl("get", "-n", namespace, "configmap/owner", "-o", "jsonpath={.metadata.uid}")
    owned = json.loads(config_map("owned"))
    owned["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]
    kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(owned))
    kubectl("delete", "-n", namespace, "configmap/owner")
    kubectl("wait", "-n", namespace, "--for=delete", "configmap/owned", "--timeout=30s")


@pytest.mark.parametrize("version", ["helm", "helm_3"])
def test_helm_reaches_the_api_server(version: str, request: pytest.FixtureRequest, namespace: str) -> None:
    helm: Client = request.getfixturevalue(version)
    assert json.loads(helm("list", "-n", namespace, "-o", "json")) == []


def test_the_api_server_comes_back_after_a_crash(cluster: Cluster, kubectl: Client, namespace: str) -> None:
    cluster.api_server.kill()
    with pytest.raises(CommandError, match="refused"):
        kubectl("get", "namespaces")
    cluster.api_server.start()
    assert namespace in kubectl("get", "namespaces", "-o", "name")


@pytest.fixture
async def through_proxy(cluster: Cluster, fault_proxy: FaultProxy) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {cluster.token}"}
    async with httpx.AsyncClient(base_url=fault_proxy.url, verify=cluster.tls, headers=headers) as client:
        yield client


async def test_kubectl_works_through_the_proxy(
    cluster: Cluster, kubectl: Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    through_proxy = kubectl.using(cluster.kubeconfig_with(cluster.token, fault_proxy.url))
    names = await asyncio.to_thread(through_proxy, "get", "namespaces", "-o", "name")
    assert f"namespace/{namespace}" in names


async def test_the_proxy_cuts_a_watch(through_proxy: httpx.AsyncClient, fault_proxy: FaultProxy) -> None:
    async with through_proxy.stream("GET", NAMESPACES, params={"watch": "true"}) as watch:
        lines = watch.aiter_lines()
        assert json.loads(await anext(lines))["type"] == "ADDED"
        assert fault_proxy.cut("watch=true") == 1
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await drain(lines)


async def drain(lines: AsyncIterator[str]) -> None:
    async for _ in lines:
        pass


async def test_a_stalled_watch_stays_open_and_goes_on_later(
    through_proxy: httpx.AsyncClient, fault_proxy: FaultProxy, cluster: Cluster
) -> None:
    async with through_proxy.stream("GET", NAMESPACES, params={"watch": "true"}) as watch:
        lines = watch.aiter_lines()
        await anext(lines)
        stalled = fault_proxy.faults.stall("watch=true")
        name = "while-stalled"
        cluster.create(NAMESPACES, {"metadata": {"name": name}})
        held_back = asyncio.ensure_future(named(name, lines))
        assert not (await asyncio.wait([held_back], timeout=0.3))[0]
        stalled.end()
        async with asyncio.timeout(10):
            await held_back


async def named(name: str, lines: AsyncIterator[str]) -> None:
    """Read until the watch has told of this object."""
    async for line in lines:
        if json.loads(line)["object"]["metadata"]["name"] == name:
            return


async def test_the_proxy_answers_as_often_as_it_is_told(
    through_proxy: httpx.AsyncClient, fault_proxy: FaultProxy
) -> None:
    fault_proxy.faults.answer("GET /api/v1/namespaces", refusal(429, "TooManyRequests", timedelta(seconds=1)), times=1)
    refused = await through_proxy.get(NAMESPACES)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert (await through_proxy.get(NAMESPACES)).is_success


async def test_the_proxy_ends_a_watch_as_expired(through_proxy: httpx.AsyncClient, fault_proxy: FaultProxy) -> None:
    fault_proxy.faults.answer("watch=true", expired_watch())
    answer = await through_proxy.get(NAMESPACES, params={"watch": "true"})
    assert answer.json()["object"]["code"] == 410


async def test_a_delayed_request_goes_on_when_the_fault_ends(
    through_proxy: httpx.AsyncClient, fault_proxy: FaultProxy
) -> None:
    late = fault_proxy.faults.delay("GET", timedelta(hours=1))
    asking = asyncio.ensure_future(through_proxy.get(NAMESPACES))
    await fault_proxy.faults.until_requested("GET")
    assert not asking.done()
    late.end()
    assert (await asking).is_success


async def test_a_proxy_that_refuses_accepts_again_at_the_same_place(
    through_proxy: httpx.AsyncClient, fault_proxy: FaultProxy
) -> None:
    await fault_proxy.refuse()
    with pytest.raises(httpx.ConnectError):
        await through_proxy.get(NAMESPACES)
    await fault_proxy.accept()
    assert (await through_proxy.get(NAMESPACES)).is_success
