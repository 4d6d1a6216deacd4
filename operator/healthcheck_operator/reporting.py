"""Events of Kubernetes: what happened to an object, for `kubectl describe` and whoever collects them."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from healthcheck_operator.cluster import Cluster, ConflictingObjectError
from healthcheck_operator.resources import API_VERSION, KIND, HealthCheck

_LONGEST_NOTE_BYTES: Final = 1000
_CONTROLLER: Final = "tocsin.dev/operator"
_INSTANCE: Final = f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Report:
    """One event: `reason` and `action` are CamelCase words. `name` tells it from others, also when it is sent again."""

    is_warning: bool
    reason: str
    action: str
    note: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    name: str = field(default_factory=lambda: secrets.token_hex(8))


def reports_of(status: Mapping[str, Any], before: Mapping[str, Any]) -> list[Report]:
    """What is worth an event between two statuses of an object: transitions, and what became wrong with its spec."""
    reports = []
    if (state := status.get("state")) != before.get("state") and before.get("state") and state:
        note = f"{before['state']} -> {state}" + (f": {status['message']}" if status.get("message") else "")
        reports.append(Report(state in ("DOWN", "UNKNOWN"), _word(state), "Probe", note))
    ready, was_ready = _condition(status, "Ready"), _condition(before, "Ready")
    if ready["status"] == "False" and ready.get("reason") != was_ready.get("reason"):
        reports.append(Report(is_warning=True, reason=ready["reason"], action="Synchronize", note=ready["message"]))
    elif ready["status"] == "True" and was_ready.get("status") == "False":
        reports.append(Report(is_warning=False, reason="Ready", action="Synchronize", note=ready["message"]))
    return reports


def _word(state: str) -> str:
    return state.capitalize()


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions") or () if each["type"] == type_), {"status": None})


async def send_report(cluster: Cluster, healthcheck: HealthCheck, report: Report) -> None:
    """Write one event, unless it is there already. Raises ClusterError."""
    try:
        path = f"/apis/events.k8s.io/v1/namespaces/{healthcheck.namespace}/events"
        await cluster.create(path, _event(healthcheck, report))
    except ConflictingObjectError:
        # A connection broke before the answer came.
        pass


def _event(healthcheck: HealthCheck, report: Report) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{healthcheck.name}.{report.name}", "namespace": healthcheck.namespace},
        "eventTime": report.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if report.is_warning else "Normal",
        "reason": report.reason,
        "action": report.action,
        "note": report.note.encode()[:_LONGEST_NOTE_BYTES].decode(errors="ignore"),
        "reportingController": _CONTROLLER,
        "reportingInstance": _INSTANCE[:128],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": healthcheck.namespace,
            "name": healthcheck.name,
            "uid": str(healthcheck.uid),
        },
    }
