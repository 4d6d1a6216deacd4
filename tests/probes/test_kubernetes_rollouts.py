"""Deployments, StatefulSets and DaemonSets, as controllers write their status."""

from typing import Any

import pytest

from probes.kinds.kubernetes.findings import Finding
from probes.kinds.kubernetes.rollouts import judge_daemon_set, judge_deployment, judge_stateful_set
from tocsin.domain.observations import Outcome

Told = tuple[str, str]
AVAILABLE = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}
UNAVAILABLE = {
    "type": "Available",
    "status": "False",
    "reason": "MinimumReplicasUnavailable",
    "message": "Deployment does not have minimum availability.",
}
PROGRESSING = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
STUCK = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "web-7d4b" has timed out progressing.',
}
NO_QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods"}


def told(finding: Finding | None) -> Told | None:
    return None if finding is None else (finding.outcome.value, finding.message)


def deployment(
    wanted: int | None = 3, *conditions: dict[str, str], generation: int = 4, paused: bool = False, **status: Any
) -> dict[str, Any]:
    """As the API server sends it, without what is zero."""
    counts = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, **status}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": generation},
        "spec": {"paused": paused, **({} if wanted is None else {"replicas": wanted})},
        "status": {
            "observedGeneration": 4,
            "conditions": list(conditions) or [AVAILABLE, PROGRESSING],
            **{name: count for name, count in counts.items() if count},
        },
    }


DEPLOYMENTS: list[tuple[dict[str, Any], Told | None]] = [
    (deployment(), None),
    (deployment(None, replicas=1, updatedReplicas=1, availableReplicas=1), None),
    (deployment(0, replicas=0, updatedReplicas=0, availableReplicas=0), ("DEGRADED", "is scaled to zero")),
    (deployment(generation=5), ("DEGRADED", "its newest spec was not yet taken up by the cluster's controller")),
    (deployment(updatedReplicas=1, replicas=4), ("DEGRADED", "is rolling out: 1 of 3 replicas updated")),
    (deployment(updatedReplicas=0, paused=True), ("DEGRADED", "is paused in its rollout: 0 of 3 replicas updated")),
    (deployment(replicas=4), ("DEGRADED", "is rolling out: 1 old replica to end")),
    (deployment(availableReplicas=2), ("DEGRADED", "has 2 of 3 replicas available")),
    (
        deployment(3, AVAILABLE, PROGRESSING, NO_QUOTA, replicas=2, updatedReplicas=2, availableReplicas=2),
        ("DEGRADED", "cannot make all its Pods (FailedCreate: exceeded quota: pods)"),
    ),
    (
        deployment(3, UNAVAILABLE, PROGRESSING, availableReplicas=1),
        (
            "FAILURE",
            (
                "has 1 of 3 replicas available"
                " (MinimumReplicasUnavailable: Deployment does not have minimum availability.)"
            ),
        ),
    ),
    (
        deployment(3, UNAVAILABLE, PROGRESSING, NO_QUOTA, replicas=0, updatedReplicas=0, availableReplicas=0),
        ("FAILURE", "has 0 of 3 replicas available (FailedCreate: exceeded quota: pods)"),
    ),
    (
        deployment(3, AVAILABLE, STUCK, updatedReplicas=1, replicas=4),
        (
            "FAILURE",
            (
                "does not get on with its rollout"
                ' (ProgressDeadlineExceeded: ReplicaSet "web-7d4b" has timed out progressing.)'
            ),
        ),
    ),
]


@pytest.mark.proves("kubernetes", "workload")
@pytest.mark.parametrize(("item", "expected"), DEPLOYMENTS)
def test_a_deployment_is_judged_by_its_conditions_and_counts(item: dict[str, Any], expected: Told | None) -> None:
    assert told(judge_deployment(item)) == expected


def test_a_deployment_that_no_controller_has_seen_is_not_available() -> None:
    new = {"metadata": {"name": "web", "generation": 1}, "spec": {"replicas": 1}}
    assert told(judge_deployment(new)) == ("FAILURE", "has 0 of 1 replica available")


def stateful_set(replicas: int = 3, strategy: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "generation": 2},
        "spec": {
            "replicas": replicas,
            "updateStrategy": strategy or {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        },
        "status": {
            "observedGeneration": 2,
            "replicas": 3,
            "currentRevision": "db-1",
            "updateRevision": "db-1",
            "updatedReplicas": 3,
            "availableReplicas": 3,
            **status,
        },
    }


def updating(updated: int, strategy: dict[str, Any] | None = None) -> dict[str, Any]:
    return stateful_set(3, strategy, updateRevision="db-2", updatedReplicas=updated)


def partitioned(partition: int) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}


STATEFUL_SETS: list[tuple[dict[str, Any], Told | None]] = [
    (stateful_set(), None),
    (stateful_set(updatedReplicas=0), None),
    (stateful_set(0), ("DEGRADED", "is scaled to zero")),
    (
        stateful_set(observedGeneration=1),
        ("DEGRADED", "its newest spec was not yet taken up by the cluster's controller"),
    ),
    (stateful_set(availableReplicas=2), ("DEGRADED", "has 2 of 3 replicas available")),
    (stateful_set(availableReplicas=1), ("FAILURE", "has 1 of 3 replicas available")),
    (stateful_set(1, availableReplicas=0), ("FAILURE", "has 0 of 1 replica available")),
    (
        stateful_set(3, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}, availableReplicas=1),
        ("DEGRADED", "has 1 of 3 replicas available"),
    ),
    (
        stateful_set(3, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "67%"}}, availableReplicas=1),
        ("DEGRADED", "has 1 of 3 replicas available"),
    ),
    (updating(1), ("DEGRADED", "is rolling out: 1 of 3 replicas updated")),
    (updating(1, partitioned(2)), None),
    (updating(0, partitioned(2)), ("DEGRADED", "is rolling out: 0 of 1 replica updated")),
    (updating(0, partitioned(5)), None),
    (updating(0, {"type": "OnDelete"}), None),
]


@pytest.mark.parametrize(("item", "expected"), STATEFUL_SETS)
def test_a_stateful_set_is_judged_by_what_an_update_may_take_away(item: dict[str, Any], expected: Told | None) -> None:
    assert told(judge_stateful_set(item)) == expected


def daemon_set(
    wanted: int, available: int, updated: int | None = None, most: int | str = 1, kind: str = "RollingUpdate"
) -> dict[str, Any]:
    return {
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "generation": 1},
        "spec": {"updateStrategy": {"type": kind, "rollingUpdate": {"maxUnavailable": most, "maxSurge": 0}}},
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": wanted,
            "numberAvailable": available,
            "updatedNumberScheduled": wanted if updated is None else updated,
        },
    }


DAEMON_SETS: list[tuple[dict[str, Any], Told | None]] = [
    (daemon_set(5, 5), None),
    (daemon_set(0, 0), None),
    (daemon_set(5, 4), ("DEGRADED", "has 4 of 5 replicas available")),
    (daemon_set(5, 3), ("FAILURE", "has 3 of 5 replicas available")),
    (daemon_set(15, 12, most="20%"), ("DEGRADED", "has 12 of 15 replicas available")),
    (daemon_set(15, 11, most="20%"), ("FAILURE", "has 11 of 15 replicas available")),
    (daemon_set(11, 9, most="10%"), ("DEGRADED", "has 9 of 11 replicas available")),
    (daemon_set(1, 0), ("FAILURE", "has 0 of 1 replica available")),
    (daemon_set(5, 5, updated=2), ("DEGRADED", "is rolling out: 2 of 5 replicas updated")),
    (daemon_set(5, 5, updated=2, kind="OnDelete"), None),
]


@pytest.mark.parametrize(("item", "expected"), DAEMON_SETS)
def test_a_daemon_set_is_judged_by_the_nodes_that_it_is_meant_for(item: dict[str, Any], expected: Told | None) -> None:
    assert told(judge_daemon_set(item)) == expected


def test_a_long_message_is_quoted_in_one_short_line() -> None:
    said = {**UNAVAILABLE, "message": "a\x00b\n\x1b[31m" + "c" * 10_000}
    finding = judge_deployment(deployment(3, said, PROGRESSING))
    assert finding is not None
    assert finding.outcome is Outcome.FAILURE
    assert "a b [31mccc" in finding.message
    assert len(finding.message) < 300
    assert finding.message.isprintable()
