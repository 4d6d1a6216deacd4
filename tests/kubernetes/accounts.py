"""Service accounts with the rights that a test gives them."""

from typing import Any

from tests.kubernetes.cluster import Cluster

RBAC = "/apis/rbac.authorization.k8s.io/v1"

Rules = list[dict[str, list[str]]]


def make_account(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", named(name))


def allow(cluster: Cluster, namespace: str, account: str, rules: Rules) -> None:
    """Give the account these rights in its own namespace."""
    place = f"{RBAC}/namespaces/{namespace}"
    cluster.create(f"{place}/roles", named(account) | {"rules": rules})
    cluster.create(f"{place}/rolebindings", binding("Role", namespace, account, account))


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def binding(kind: str, namespace: str, account: str, role: str) -> dict[str, Any]:
    return named(role) | {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": account}],
    }
