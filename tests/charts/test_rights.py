"""What the chart's service accounts may do: what their roles need, and nothing that is secret without being asked."""

import pytest

from tests.charts.matrix import EVERYTHING
from tests.charts.rendering import NAMESPACE, Object, Rendered, rendered

every_choice = pytest.mark.parametrize("name", EVERYTHING)
ROLES = ("Role", "ClusterRole")

Place = tuple[str, str, str | None]  # kind, name, namespace


def rules(release: Rendered) -> list[Object]:
    return [rule for role in release.of(*ROLES) for rule in role["rules"]]


def rights(name: str, account: str) -> set[tuple[str | None, str, str, str]]:
    """(namespace, group, resource, verb) of everything that the account may do; None for all namespaces."""
    release = rendered(name)
    roles = {place(role): role["rules"] for role in release.of(*ROLES)}
    return {
        (namespace, group, resource, verb)
        for binding in release.of("RoleBinding", "ClusterRoleBinding")
        if binding["subjects"][0]["name"].endswith(f"-{account}")
        for namespace in [binding["metadata"].get("namespace")]
        for rule in roles[bound_role(binding)]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def place(role: Object) -> Place:
    return role["kind"], role["metadata"]["name"], role["metadata"].get("namespace")


def bound_role(binding: Object) -> Place:
    return binding["roleRef"]["kind"], binding["roleRef"]["name"], binding["metadata"].get("namespace")


@every_choice
def test_no_right_has_a_wildcard(name: str) -> None:
    for rule in rules(rendered(name)):
        assert not [word for words in rule.values() for word in words if "*" in word]


@every_choice
def test_nobody_reads_the_secrets_of_a_whole_cluster(name: str) -> None:
    for role in rendered(name).of("ClusterRole"):
        assert "secrets" not in {resource for rule in role["rules"] for resource in rule["resources"]}


@every_choice
def test_secrets_can_be_got_by_name_and_not_listed(name: str) -> None:
    verbs = [rule["verbs"] for rule in rules(rendered(name)) if "secrets" in rule["resources"]]
    assert all(verb == ["get"] for verb in verbs)


@every_choice
def test_nobody_changes_what_is_not_ours(name: str) -> None:
    ours = {"healthchecks", "healthchecks/status", "events", "leases"}
    for rule in rules(rendered(name)):
        assert set(rule["verbs"]) <= {"get", "list", "watch"} or set(rule["resources"]) <= ours


@every_choice
def test_a_binding_binds_an_account_that_there_is_to_a_role_that_there_is(name: str) -> None:
    release = rendered(name)
    accounts = {account["metadata"]["name"] for account in release.of("ServiceAccount")}
    for binding in release.of("RoleBinding", "ClusterRoleBinding"):
        (subject,) = binding["subjects"]
        assert (subject["name"] in accounts, subject["namespace"]) == (True, NAMESPACE)
        assert bound_role(binding) in {place(role) for role in release.of(*ROLES)}


@every_choice
def test_a_pod_has_an_account_of_its_role_and_a_token_only_where_it_has_rights(name: str) -> None:
    release = rendered(name)
    accounts = {account["metadata"]["name"] for account in release.of("ServiceAccount")}
    bound = {binding["subjects"][0]["name"] for binding in release.of("RoleBinding", "ClusterRoleBinding")}
    for deployment in release.of("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] in accounts
        assert pod["automountServiceAccountToken"] == (pod["serviceAccountName"] in bound)
    servers = [workload["spec"]["template"]["spec"] for workload in release.of("StatefulSet")]
    assert not [pod for pod in servers if pod["automountServiceAccountToken"]]


def test_the_operator_reads_secrets_in_the_namespaces_that_are_listed_and_in_no_other() -> None:
    secrets = {right for right in rights("several organizations", "operator") if right[2] == "secrets"}
    assert secrets == {("team-a", "", "secrets", "get"), ("team-b", "", "secrets", "get")}


def test_an_operator_of_one_team_has_no_right_in_the_cluster() -> None:
    assert {right[0] for right in rights("one team", "operator")} == {"team-a", NAMESPACE}
    assert not rendered("one team").of("ClusterRole")


def test_the_only_namespace_that_the_operator_reads_is_the_one_that_tells_clusters_apart() -> None:
    roles = rendered("own servers").of("ClusterRole")
    rules = [rule for role in roles for rule in role["rules"] if "namespaces" in rule["resources"]]
    assert [rule["resourceNames"] for rule in rules] == [["kube-system"]]


def test_the_operator_may_do_what_it_does() -> None:
    assert rights("own servers", "operator") == {
        *((None, "tocsin.dev", "healthchecks", verb) for verb in ("get", "list", "watch", "patch")),
        (None, "tocsin.dev", "healthchecks/status", "patch"),
        (None, "events.k8s.io", "events", "create"),
        (None, "", "services", "get"),
        (None, "", "namespaces", "get"),
        (None, "networking.k8s.io", "ingresses", "get"),
        *((None, "gateway.networking.k8s.io", kind, "get") for kind in ("httproutes", "gateways")),
        *((NAMESPACE, "coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")),
    }


def test_workers_have_no_rights_unless_they_are_granted() -> None:
    assert rights("own servers", "worker") == set()


def test_workers_read_what_is_listed() -> None:
    assert rights("all kinds of resources", "worker") == {
        (None, "", "pods", "list"),
        *((None, "apps", kind, "get") for kind in ("deployments", "statefulsets", "daemonsets")),
        *((None, "batch", kind, "get") for kind in ("jobs", "cronjobs")),
        (None, "cert-manager.io", "certificates", "get"),
    }


def test_workers_read_in_the_namespaces_that_are_listed() -> None:
    assert {right[0] for right in rights("one team", "worker")} == {"team-a"}
