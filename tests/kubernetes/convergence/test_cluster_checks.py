"""HealthChecks of objects in their own namespace, from kubectl to the worker and back."""

import json
from typing import Any

import pytest

from tests.engine.harness import Platform
from tests.kubernetes.accounts import Rules
from tests.kubernetes.conftest import MakeAccount
from tests.kubernetes.convergence.operators import Cluster

# What the chart grants to workers with kubernetesChecks.enabled.
WORKER_RULES: Rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web"}]},
        },
    },
}
AVAILABLE = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "conditions": [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}],
}


@pytest.fixture
def probing(watched: Cluster, platform: Platform, account: MakeAccount) -> Cluster:
    """An operator, a Deployment, and an engine that may look at it."""
    watched.operator()
    platform.scheduler()
    platform.worker(KUBECONFIG=str(account(WORKER_RULES)))
    watched.run("create", "-f", "-", stdin=json.dumps(DEPLOYMENT))
    return watched


def write_status(cluster: Cluster, **changes: Any) -> None:
    """As the Deployment's controller does, which does not run here."""
    status = json.dumps({"status": AVAILABLE | changes})
    cluster.run("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status)


def test_a_deployment_is_healthy_as_long_as_it_is_available(probing: Cluster) -> None:
    write_status(probing)
    probing.apply("web", interval="1s", kubernetes={"workload": {"kind": "Deployment", "name": "web"}})
    probing.wait("web", "Healthy")
    assert probing.status("web")["target"] == "Deployment/web"
    write_status(probing, availableReplicas=0, conditions=[{"type": "Available", "status": "False"}])
    probing.wait("web", "Healthy=False")


def test_what_is_not_granted_is_unknown_and_no_incident(probing: Cluster) -> None:
    probing.apply("job", interval="1s", kubernetes={"workload": {"kind": "Job", "name": "job"}})
    probing.wait_reason("job", "Healthy", "Unknown")
    assert "kubernetesChecks" in probing.status("job")["message"]
    assert "incident" not in probing.status("job")
