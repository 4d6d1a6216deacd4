"""The operator as it runs in a cluster: a process with the rights that the chart gives it, watching one namespace."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.engine.harness import EngineProcess, Platform
from tests.kubernetes.accounts import Rules
from tests.kubernetes.programs import Client, CommandError

KEYS = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
# A target that is not there, for checks that are due too seldom to be probed.
HTTP = {"url": "http://127.0.0.1:9/"}
# Of the namespaces that it watches. Secrets are granted apart.
RULES: Rules = [
    {"apiGroups": ["tocsin.dev"], "resources": ["healthchecks"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["tocsin.dev"], "resources": ["healthchecks/status"], "verbs": ["patch"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get"]},
]
SECRET_RULES: Rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]


@dataclass(eq=False)
class Cluster:
    """One namespace with kubectl, and the operators that watch it."""

    platform: Platform
    kubectl: Client
    namespace: str
    kubeconfig: Path
    operators: list[EngineProcess] = field(default_factory=list)

    def operator(self, prelude: str = "", **environment: str) -> EngineProcess:
        """Start another replica."""
        settings = {
            "KUBECONFIG": str(self.kubeconfig),
            "TOCSIN_CLUSTER": self.namespace,
            "TOCSIN_WATCH_NAMESPACES": self.namespace,
            "TOCSIN_OPERATOR_NAMESPACE": self.namespace,
            "TOCSIN_NAMESPACE_ORGANIZATIONS": "*=one",
            "TOCSIN_ENCRYPTION_KEYS": KEYS,
        }
        process = self.platform.process("healthcheck_operator.main", prelude, **{**settings, **environment})
        self.operators.append(process)
        return process

    def run(self, *arguments: str | Path, stdin: str = "") -> str:
        """Run kubectl in the namespace. Raises CommandError."""
        return self.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def apply(self, name: str, **spec: Any) -> None:
        self.run("apply", "-f", "-", stdin=yaml.safe_dump(healthcheck(name, **spec)))

    def get(self, name: str) -> Any:
        return json.loads(self.run("get", "thc", name, "-o", "json"))

    def status(self, name: str) -> Any:
        return self.get(name).get("status") or {}

    def condition(self, name: str, type_: str) -> Any:
        conditions = self.status(name).get("conditions") or []
        return next((each for each in conditions if each["type"] == type_), {"status": None, "reason": None})

    def wait(self, name: str, condition: str, seconds: int = 30) -> None:
        """As a person waits: `kubectl wait --for=condition=...`."""
        self.run("wait", f"--for=condition={condition}", f"--timeout={seconds}s", f"thc/{name}")

    def until_applied(self, name: str, seconds: int = 30) -> None:
        """Wait until the status speaks of what the object says now, and the check is scheduled."""
        generation = self.get(name)["metadata"]["generation"]
        self.run(
            "wait",
            f"--for=jsonpath={{.status.observedGeneration}}={generation}",
            f"--timeout={seconds}s",
            f"thc/{name}",
        )
        self.wait(name, "Ready", seconds)

    def wait_reason(self, name: str, type_: str, reason: str, seconds: float = 30) -> Any:
        return wait_until(lambda: self.condition(name, type_), lambda found: found["reason"] == reason, seconds)

    def events(self, name: str) -> list[Any]:
        found = json.loads(self.run("get", "events", "-o", "json"))["items"]
        return [each for each in found if each["involvedObject"]["name"] == name]


def healthcheck(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "tocsin.dev/v1alpha1", "kind": "HealthCheck", "metadata": {"name": name}, "spec": spec}


def wait_until(look: Callable[[], Any], is_good: Callable[[Any], bool], seconds: float = 30) -> Any:
    """What was seen at last, as soon as it is good."""
    end, seen = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if is_good(seen := look()):
                return seen
        except CommandError as exc:
            seen = exc
        time.sleep(0.2)
    raise AssertionError(f"still {seen!r} after {seconds} s")


def new_name() -> str:
    return f"check-{secrets.token_hex(3)}"
