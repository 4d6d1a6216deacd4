"""Addresses, as Services, Ingresses and HTTPRoutes tell them."""

from pathlib import Path
from typing import Any

import pytest

from healthcheck_operator.references import UnresolvedError, cluster_domain, ingress_url, route_url, service_address

ROUTE: dict[str, Any] = {"metadata": {"name": "shop"}, "spec": {"hostnames": ["shop.example.com", "*.example.org"]}}


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop", "namespace": "team-a"}, "spec": spec}


def ingress(*rules: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop"}, "spec": {"rules": list(rules), **spec}}


def test_an_external_name_is_the_host() -> None:
    found = service_address(service(externalName="db.example.com"), {"name": "shop", "port": 5432}, as_url=False)
    assert found == {"host": "db.example.com", "port": 5432}


def test_the_only_port_needs_no_name() -> None:
    found = service_address(service(ports=[{"port": 80}]), {"name": "shop", "scheme": "https"}, as_url=True)
    assert found == {"url": "https://shop.team-a.svc.cluster.local:80/"}


def test_a_port_that_the_service_does_not_name_is_not_found() -> None:
    with pytest.raises(UnresolvedError, match="has no port named web"):
        service_address(service(ports=[{"port": 80}]), {"name": "shop", "port": "web"}, as_url=True)


def test_an_ingress_without_hosts_cannot_be_probed() -> None:
    with pytest.raises(UnresolvedError, match="has 0 hosts"):
        ingress_url(ingress({}), {"name": "shop"})


def test_tls_without_hosts_covers_all_of_them() -> None:
    assert ingress_url(ingress({"host": "a.example.com"}, tls=[{}]), {"name": "shop"}) == "https://a.example.com/"


def test_a_wildcard_serves_what_it_covers() -> None:
    assert route_url(ROUTE, {"hostname": "a.example.org"}, is_https=True) == "https://a.example.org/"
    with pytest.raises(UnresolvedError, match=r"does not serve a\.example\.net"):
        route_url(ROUTE, {"hostname": "a.example.net"}, is_https=True)


def test_the_only_exact_hostname_needs_no_name() -> None:
    assert route_url(ROUTE, {"path": "/x"}, is_https=False) == "http://shop.example.com/x"


def test_the_domain_of_the_cluster_is_what_its_pods_search(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("search team-a.svc.corp.internal svc.corp.internal corp.internal\nnameserver 10.0.0.10\n")
    assert cluster_domain(file) == "corp.internal"
