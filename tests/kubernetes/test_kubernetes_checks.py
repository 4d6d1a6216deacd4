"""Checks of kind kubernetes against a real API server; statuses are written as controllers would."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.kinds.kubernetes.api_server import ApiServer
from probes.runner import probe
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.conftest import MakeAccount
from tests.kubernetes.fault_proxy import FaultProxy
from tests.kubernetes.faults import refusal
from tests.kubernetes.programs import Client, CommandError
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.kubernetes import KubernetesTarget

# What the chart grants with kubernetesChecks.enabled, and with a resource listed in kubernetesChecks.extraResources.
RULES = [
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets"], "verbs": ["get"]},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
]
EXTRA_RULES = [
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["get"]},
    {"apiGroups": ["cert-manager.io"], "resources": ["certificates"], "verbs": ["get"]},
]
POD_SPEC = {"containers": [{"name": "app", "image": "registry.example/app:1"}], "restartPolicy": "Never"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {**POD_SPEC, "restartPolicy": "Always"}}
SELECTED = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
WEB = {"workload": {"kind": "Deployment", "name": "web"}}
NO_RIGHT = (
    "this worker has no right to read {} in namespace {};"
    " grant it with the chart's kubernetesChecks.{} and kubernetesChecks.namespaces"
)

Told = tuple[Outcome, Reason | None, str | None]
Make = Callable[..., None]
Ask = Callable[..., Awaitable[Observation]]


def told(observation: Observation) -> Told:
    return observation.outcome, observation.reason, observation.message


@pytest.fixture
def make(kubectl: Client, namespace: str) -> Make:
    """Makes an object, and writes its status."""

    def make(kind: str, version: str, name: str, spec: dict[str, Any], status: dict[str, Any], **labels: str) -> None:
        metadata = {"name": name, "labels": labels}
        item = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(item))
        patch = json.dumps({"status": status})
        kubectl("patch", "-n", namespace, f"{kind}/{name}", "--subresource=status", "--type=merge", "-p", patch)

    return make


@pytest.fixture
async def ask_as(monkeypatch: pytest.MonkeyPatch, namespace: str) -> AsyncIterator[Ask]:
    """Probes a target once, with the rights of this kubeconfig."""
    servers: list[ApiServer] = []

    async def ask(kubeconfig: Path, place: str = namespace, **fields: Any) -> Observation:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        servers.append(ApiServer())
        engine = Engine(EgressPolicy(allow_private=False), lambda: datetime.now(UTC), api_server=servers[-1])
        target = KubernetesTarget.model_validate({"namespace": place, **fields})
        return await probe(target, timedelta(seconds=10), engine)

    yield ask
    for server in servers:
        await server.close()


@pytest.fixture
def ask(ask_as: Ask, account: MakeAccount) -> Callable[..., Awaitable[Observation]]:
    """Probes a target once, with the rights that the chart grants."""
    kubeconfig = account(RULES)

    async def ask(**fields: Any) -> Observation:
        return await ask_as(kubeconfig, **fields)

    return ask


def deployment_status(available: int) -> dict[str, Any]:
    condition = {"type": "Available", "status": str(available == 2), "reason": "MinimumReplicas", "message": "So many."}
    return {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": available} | {
        "readyReplicas": 2,
        "conditions": [condition],
    }


async def test_a_deployment_that_is_available_is_healthy(make: Make, ask: Ask) -> None:
    make("Deployment", "apps/v1", "web", {"replicas": 2, **SELECTED}, deployment_status(2))
    observation = await ask(**WEB)
    assert told(observation) == (Outcome.SUCCESS, None, None)
    assert observation.status_code == 200
    assert observation.phases.processing


async def test_a_deployment_that_is_not_available_fails_with_its_condition(make: Make, ask: Ask) -> None:
    make("Deployment", "apps/v1", "web", {"replicas": 2, **SELECTED}, deployment_status(1))
    message = "Deployment web has 1 of 2 replicas available (MinimumReplicas: So many.)"
    assert told(await ask(**WEB)) == (Outcome.FAILURE, Reason.ASSERTION, message)


async def test_a_deployment_that_no_controller_has_taken_up_is_degraded(
    make: Make, ask: Ask, kubectl: Client, namespace: str
) -> None:
    make("Deployment", "apps/v1", "web", {"replicas": 2, **SELECTED}, deployment_status(2))
    kubectl("scale", "-n", namespace, "deployment/web", "--replicas=1")
    assert (await ask(**WEB)).outcome is Outcome.DEGRADED


async def test_a_missing_object_is_a_failure(ask: Ask, namespace: str) -> None:
    message = f"web does not exist among the deployments in namespace {namespace}"
    assert told(await ask(**WEB)) == (Outcome.FAILURE, Reason.STATUS, message)


async def test_a_stateful_set_is_found(make: Make, ask: Ask) -> None:
    status = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    make("StatefulSet", "apps/v1", "db", {"serviceName": "db", **SELECTED}, status)
    assert told(await ask(workload={"kind": "StatefulSet", "name": "db"})) == (Outcome.SUCCESS, None, None)


async def test_a_daemon_set_is_found(make: Make, ask: Ask) -> None:
    counts = ("currentNumberScheduled", "desiredNumberScheduled", "updatedNumberScheduled")
    status = {"observedGeneration": 1, "numberMisscheduled": 0, "numberReady": 3} | dict.fromkeys(counts, 3)
    make("DaemonSet", "apps/v1", "agent", SELECTED, {**status, "numberAvailable": 2})
    message = "DaemonSet agent has 2 of 3 replicas available"
    told_of_it = told(await ask(workload={"kind": "DaemonSet", "name": "agent"}))
    assert told_of_it == (Outcome.DEGRADED, Reason.ASSERTION, message)


async def test_a_job_that_failed_is_a_failure(make: Make, ask: Ask) -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Too often."}
    status = {
        "startTime": "2026-03-10T12:00:00Z",
        "failed": 7,
        "conditions": [{**failed, "type": "FailureTarget"}, failed],
    }
    make("Job", "batch/v1", "migrate", {"template": {"spec": POD_SPEC}}, status)
    message = "Job migrate has failed (BackoffLimitExceeded: Too often.)"
    told_of_it = told(await ask(workload={"kind": "Job", "name": "migrate"}))
    assert told_of_it == (Outcome.FAILURE, Reason.ASSERTION, message)


async def test_a_cron_job_whose_success_is_too_old_is_a_failure(make: Make, ask: Ask) -> None:
    status = {"lastScheduleTime": "2026-03-10T02:00:00Z", "lastSuccessfulTime": "2026-03-10T02:01:00Z"}
    spec = {"schedule": "0 2 * * *", "jobTemplate": {"spec": {"template": {"spec": POD_SPEC}}}}
    make("CronJob", "batch/v1", "backup", spec, status)
    backup = {"kind": "CronJob", "name": "backup"}
    message = "CronJob backup succeeded last at 2026-03-10 02:01:00 UTC, more than 26 h ago"
    assert (await ask(workload=backup)).outcome is Outcome.SUCCESS
    too_old = await ask(workload={**backup, "last_success_within_seconds": 93_600})
    assert told(too_old) == (Outcome.FAILURE, Reason.ASSERTION, message)


def pod_status(ready: bool, waiting: str | None = None) -> dict[str, Any]:
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {"startedAt": "2026-03-10T12:00:00Z"}}
    container = {"name": "app", "ready": ready, "restartCount": 0, "image": "a", "imageID": "a", "state": state}
    return {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [container],
    }


async def test_pods_are_found_by_their_labels(make: Make, ask: Ask) -> None:
    make("Pod", "v1", "web-1", POD_SPEC, pod_status(True), app="web")
    make("Pod", "v1", "web-2", POD_SPEC, pod_status(False, "CrashLoopBackOff"), app="web")
    make("Pod", "v1", "other", POD_SPEC, pod_status(True), app="other")
    assert (await ask(pods={"selector": "app=other"})).outcome is Outcome.SUCCESS
    stuck = await ask(pods={"selector": "app in (web,edge)", "min_ready": 2})
    message = "1 of 2 Pods that match app in (web,edge) ready, 2 wanted; stuck: web-2 (CrashLoopBackOff)"
    assert told(stuck) == (Outcome.FAILURE, Reason.ASSERTION, message)


BUDGET = {
    "resource": {
        "group": "policy",
        "version": "v1",
        "resource": "poddisruptionbudgets",
        "name": "web",
        "condition": "DisruptionAllowed",
    }
}
CERTIFICATE = {"resource": {"group": "cert-manager.io", "version": "v1", "resource": "certificates", "name": "web"}}


async def test_a_listed_resource_is_judged_by_its_condition(make: Make, ask_as: Ask, account: MakeAccount) -> None:
    condition = {"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": ""}
    when = {"lastTransitionTime": "2026-03-10T12:00:00Z"}
    counts = dict.fromkeys(("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), 1)
    status = {**counts, "conditions": [{**condition, **when}]}
    make("PodDisruptionBudget", "policy/v1", "web", {"minAvailable": 1, "selector": {}}, status)
    message = "PodDisruptionBudget web has condition DisruptionAllowed False, not True (InsufficientPods)"
    observation = await ask_as(account(EXTRA_RULES), **BUDGET)
    assert told(observation) == (Outcome.FAILURE, Reason.ASSERTION, message)


async def test_a_kind_that_the_cluster_does_not_have_is_a_failure(
    ask_as: Ask, account: MakeAccount, namespace: str
) -> None:
    message = (
        f"the API server knows no certificates in namespace {namespace};"
        " is the resource definition installed, and in this version?"
    )
    observation = await ask_as(account(EXTRA_RULES), **CERTIFICATE)
    assert told(observation) == (Outcome.FAILURE, Reason.STATUS, message)


async def test_without_the_right_a_check_says_which_value_grants_it(
    ask_as: Ask, ask: Ask, account: MakeAccount, namespace: str
) -> None:
    nobody = account([])
    for fields, what, value in [
        (WEB, "deployments", "enabled"),
        ({"pods": {"selector": "app=web"}}, "pods", "enabled"),
        (BUDGET, "poddisruptionbudgets", "extraResources"),
    ]:
        message = NO_RIGHT.format(what, namespace, value)
        assert told(await ask_as(nobody, **fields)) == (Outcome.UNKNOWN, Reason.TARGET_BLOCKED, message)
    message = NO_RIGHT.format("certificates", namespace, "extraResources")
    assert told(await ask(**CERTIFICATE)) == (Outcome.UNKNOWN, Reason.TARGET_BLOCKED, message)


async def test_rights_in_one_namespace_reach_into_no_other(ask: Ask) -> None:
    observation = await ask(place="kube-system", **WEB)
    message = NO_RIGHT.format("deployments", "kube-system", "enabled")
    assert told(observation) == (Outcome.UNKNOWN, Reason.TARGET_BLOCKED, message)


async def test_a_token_that_is_no_longer_valid_decides_nothing(ask_as: Ask, cluster: Cluster) -> None:
    observation = await ask_as(cluster.kubeconfig_with("no-such-token"), **WEB)
    message = "the API server does not know this worker; look at its service account"
    assert told(observation) == (Outcome.UNKNOWN, Reason.STATUS, message)


async def test_an_api_server_under_too_much_load_decides_nothing(
    fault_proxy: FaultProxy, cluster: Cluster, ask_as: Ask
) -> None:
    kubeconfig = cluster.kubeconfig_with(cluster.token, fault_proxy.url)
    fault_proxy.faults.answer("GET .*/deployments/web", refusal(429, "TooManyRequests"))
    observation = await ask_as(kubeconfig, **WEB)
    assert (observation.outcome, observation.status_code) == (Outcome.UNKNOWN, 429)


HEALTH_CHECK = {"apiVersion": "tocsin.dev/v1alpha1", "kind": "HealthCheck", "metadata": {"name": "web"}}


@pytest.mark.usefixtures("definition")
def test_the_author_of_a_health_check_names_no_namespace(kubectl: Client, namespace: str) -> None:
    spec = {"kubernetes": {"namespace": "kube-system", **WEB}}
    with pytest.raises(CommandError, match=r'unknown field "spec.kubernetes.namespace"'):
        kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps({**HEALTH_CHECK, "spec": spec}))
