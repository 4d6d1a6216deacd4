"""Targets that a Service or an Ingress of the same namespace tells."""

import json
from typing import Any

import pytest

from tests.kubernetes.convergence.operators import Cluster

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop"},
    "spec": {"ports": [{"name": "web", "port": 8080}, {"name": "admin", "port": 9090}]},
}
INGRESS: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "shop"},
    "spec": {
        "tls": [{"hosts": ["shop.example.com"], "secretName": "tls"}],
        "rules": [{"host": "shop.example.com"}, {"host": "old.example.com"}],
    },
}


@pytest.fixture
def watching(watched: Cluster) -> Cluster:
    watched.operator()
    return watched


def create(cluster: Cluster, content: dict[str, Any]) -> None:
    cluster.run("create", "-f", "-", stdin=json.dumps(content))


def test_a_service_tells_host_and_port(watching: Cluster) -> None:
    create(watching, SERVICE)
    watching.apply("port", tcp={"serviceRef": {"name": "shop", "port": "admin"}})
    watching.wait("port", "TargetResolved")
    assert watching.status("port")["target"] == f"shop.{watching.namespace}.svc.cluster.local:9090"


def test_a_service_tells_a_url(watching: Cluster) -> None:
    create(watching, SERVICE)
    watching.apply("page", http={"serviceRef": {"name": "shop", "port": 8080, "path": "/health"}})
    watching.wait("page", "Ready")
    assert watching.status("page")["target"] == f"http://shop.{watching.namespace}.svc.cluster.local:8080/health"


def test_a_service_with_several_ports_needs_one_named(watching: Cluster) -> None:
    create(watching, SERVICE)
    watching.apply("page", http={"serviceRef": {"name": "shop"}})
    found = watching.wait_reason("page", "TargetResolved", "Ambiguous")
    assert found["message"] == "Service shop has 2 ports; say which with serviceRef.port"


def test_an_ingress_tells_whether_it_is_https(watching: Cluster) -> None:
    create(watching, INGRESS)
    watching.apply("new", http={"ingressRef": {"name": "shop", "host": "shop.example.com"}})
    watching.apply("old", http={"ingressRef": {"name": "shop", "host": "old.example.com", "path": "/x"}})
    watching.wait("new", "Ready")
    watching.wait("old", "Ready")
    assert watching.status("new")["target"] == "https://shop.example.com/"
    assert watching.status("old")["target"] == "http://old.example.com/x"


def test_what_a_reference_names_must_be_there(watching: Cluster) -> None:
    watching.apply("page", http={"serviceRef": {"name": "nobody"}})
    found = watching.wait_reason("page", "TargetResolved", "NotFound")
    assert found["message"] == f"there is no Service nobody in namespace {watching.namespace}"
    assert watching.condition("page", "Ready")["status"] == "False"


def test_an_http_route_cannot_be_read_where_the_cluster_has_no_gateway_api(watching: Cluster) -> None:
    watching.apply("page", http={"httpRouteRef": {"name": "shop"}})
    watching.wait_reason("page", "Ready", "NotGranted")
