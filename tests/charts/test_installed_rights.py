"""What an installation lets its roles do, and which objects it takes, as the API server has it."""

from collections.abc import Iterator

import pytest

from tests.charts.conftest import Release, new_release
from tests.charts.matrix import OWN_SERVERS
from tests.charts.rendering import CHART
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.programs import Client


@pytest.fixture(scope="module")
def installed(cluster: Cluster, helm: Client, teams: None) -> Iterator[Release]:
    """With Secrets of one team. No test changes anything."""
    with new_release(cluster, helm) as release:
        release.install({**OWN_SERVERS, "operator": {"secretNamespaces": ["team-a"]}})
        yield release


def test_the_definition_is_the_committed_one(installed: Release, kubectl: Client) -> None:
    kubectl("wait", "--for=condition=Established", "crd/healthchecks.tocsin.dev", "--timeout=20s")
    committed = (CHART / "files" / "crds" / "healthchecks.yaml").read_text()
    assert kubectl("diff", "-f", "-", stdin=committed) == ""


def may(cluster: Cluster, account: str, verb: str, group: str, resource: str, namespace: str, name: str = "") -> bool:
    resource, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "subresource": subresource}
    spec = {
        "user": account,
        "groups": ["system:serviceaccounts", "system:authenticated"],
        "resourceAttributes": {**attributes, "namespace": namespace, "name": name},
    }
    review = cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return bool(review["status"]["allowed"])


def test_the_operator_may_read_secrets_where_the_values_say(installed: Release, cluster: Cluster) -> None:
    operator = f"system:serviceaccount:{installed.namespace}:bell-tocsin-operator"
    assert may(cluster, operator, "get", "", "secrets", "team-a", "any")
    assert not may(cluster, operator, "list", "", "secrets", "team-a")
    assert not may(cluster, operator, "get", "", "secrets", "team-b", "any")
    assert not may(cluster, operator, "get", "", "secrets", installed.namespace, "bell-tocsin-encryption-keys")
    assert may(cluster, operator, "patch", "tocsin.dev", "healthchecks/status", "team-b", "any")
    assert not may(cluster, operator, "delete", "tocsin.dev", "healthchecks", "team-b", "any")


def test_the_other_roles_may_do_nothing(installed: Release, cluster: Cluster) -> None:
    for role in ("api", "receiver", "scheduler", "worker"):
        account = f"system:serviceaccount:{installed.namespace}:bell-tocsin-{role}"
        assert not may(cluster, account, "get", "", "pods", installed.namespace, "any")
        assert not may(cluster, account, "get", "", "secrets", installed.namespace, "any")
