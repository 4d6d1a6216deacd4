"""What leads to pods finds them: Services, budgets, policies, autoscalers, monitors, and alerts."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.charts.dockerfile import ROOT
from tests.charts.matrix import EVERYTHING
from tests.charts.rendering import Object, Rendered, labels_of, rendered

every_choice = pytest.mark.parametrize("name", EVERYTHING)


def selected(release: Rendered, selector: dict[str, str]) -> list[Object]:
    return [workload for workload in release.workloads if selector.items() <= labels_of(workload).items()]


def ports(workload: Object) -> set[str]:
    containers = workload["spec"]["template"]["spec"]["containers"]
    return {port["name"] for container in containers for port in container["ports"]}


@every_choice
def test_a_service_leads_to_a_port_of_one_workload(name: str) -> None:
    release = rendered(name)
    for service in release.of("Service"):
        (workload,) = selected(release, service["spec"]["selector"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports(workload)


@every_choice
def test_every_workload_has_a_service(name: str) -> None:
    release = rendered(name)
    led_to = [selected(release, service["spec"]["selector"])[0] for service in release.of("Service")]
    assert [workload for workload in release.workloads if workload not in led_to] == []


@every_choice
def test_an_ingress_leads_to_a_service_and_to_no_metrics(name: str) -> None:
    release = rendered(name)
    services = {service["metadata"]["name"]: service for service in release.of("Service")}
    for ingress in release.of("Ingress"):
        (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
        backend = path["backend"]["service"]
        assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["spec"]["ports"]}
        assert path["path"] == ("/graphql" if backend["port"]["name"] == "http" else "/")


@every_choice
def test_a_budget_is_for_pods_that_there_are(name: str) -> None:
    release = rendered(name)
    for budget in release.of("PodDisruptionBudget"):
        assert selected(release, budget["spec"]["selector"]["matchLabels"])


@every_choice
def test_an_autoscaler_alone_sets_the_number_of_pods(name: str) -> None:
    release = rendered(name)
    scaled = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in release.of("HorizontalPodAutoscaler")}
    without = {made["metadata"]["name"] for made in release.of("Deployment") if "replicas" not in made["spec"]}
    assert scaled == without


@every_choice
def test_pods_are_spread_among_their_own_kind(name: str) -> None:
    for workload in rendered(name).of("Deployment"):
        for spread in workload["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            assert spread["labelSelector"]["matchLabels"] == labels_of(workload)


def component_of(policy: Object) -> str:
    component: str = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
    return component


def test_a_policy_lets_in_whom_the_pods_of_a_role_hear() -> None:
    release = rendered("network policies")
    policies = {component_of(policy): policy["spec"] for policy in release.of("NetworkPolicy")}
    assert set(policies) == {"api", "receiver", "scheduler", "worker", "operator", "postgres", "valkey"}
    for component, policy in policies.items():
        (workload,) = selected(release, policy["podSelector"]["matchLabels"])
        assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == ports(workload), component


def test_only_the_release_reaches_the_servers_of_a_trial_and_they_reach_nobody() -> None:
    release = rendered("network policies")
    for policy in release.of("NetworkPolicy"):
        if component_of(policy) in ("postgres", "valkey"):
            ((peer,),) = [rule["from"] for rule in policy["spec"]["ingress"]]
            assert selected(release, peer["podSelector"]["matchLabels"]) == release.workloads
            assert policy["spec"]["egress"] == []


def test_a_monitor_scrapes_every_role() -> None:
    release = rendered("monitored")
    (monitor,) = release.of("ServiceMonitor")
    scraped = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [service for service in release.of("Service") if wanted <= service["metadata"]["labels"].items()]
    led = [s for s in services if {port["name"] for port in s["spec"]["ports"]} & scraped]
    found = [selected(release, service["spec"]["selector"])[0] for service in led]
    assert [workload for workload in release.workloads if workload not in found] == []


def alerts() -> list[dict[str, Any]]:
    (rule,) = rendered("monitored").of("PrometheusRule")
    (group,) = rule["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def counted() -> set[str]:
    """The names of all metrics in the source."""
    folders = ("tocsin", "graphql_api", "probes", "receiver", "operator")
    sources = [path for folder in folders for path in Path(ROOT / folder).rglob("*.py")]
    return {name for path in sources for name in re.findall(r'"(tocsin_[a-z_]+)"', path.read_text())}


def test_an_alert_looks_at_what_is_counted() -> None:
    known = counted()
    for alert in alerts():
        used = {name.removesuffix("_bucket") for name in re.findall(r"\btocsin_[a-z_]+", alert["expr"])}
        assert {name for name in used if not {name, name.removesuffix("_total")} & known} == set()
        assert used or "up{" in alert["expr"]


def test_an_alert_looks_at_this_release_alone() -> None:
    for alert in alerts():
        assert re.findall(r"\{([^}]*)\}", alert["expr"])
        assert all('namespace="watch"' in matchers for matchers in re.findall(r"\{([^}]*)\}", alert["expr"]))


def test_an_alert_says_what_is_wrong_and_what_to_look_at() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} == set(alert["annotations"])
