"""The health of workloads that run all the time: Deployments, StatefulSets, DaemonSets.

All are judged alike. Too few replicas are a failure, by the workload's own idea of how few are too few; a rollout,
a replica less, and what is scaled to zero are DEGRADED, which is seen and wakes nobody.
"""

from math import ceil, floor

from probes.kinds.kubernetes.findings import (
    Finding,
    Json,
    cause,
    conditions_of,
    degraded,
    failed,
    is_behind,
    is_false,
    is_true,
)

_NOT_SEEN = "its newest spec was not yet taken up by the cluster's controller"


def judge_deployment(deployment: Json) -> Finding | None:
    """None for a Deployment that is available and up to date."""
    wanted, status = _replicas(deployment), deployment.get("status", {})
    if wanted == 0:
        return degraded("is scaled to zero")
    return _deployment_failure(status, wanted) or _unfinished_deployment(deployment, status, wanted)


def _deployment_failure(status: Json, wanted: int) -> Finding | None:
    conditions = conditions_of(status)
    if is_false(conditions, "Progressing"):
        return failed(f"does not get on with its rollout{cause(conditions['Progressing'])}")
    if not is_false(conditions, "Available") and status.get("availableReplicas", 0) > 0:
        return None
    # Why no Pods are made says more than that there are none.
    why = conditions.get("ReplicaFailure") or conditions.get("Available") or {}
    return failed(f"{_available(status, 'availableReplicas', wanted)}{cause(why)}")


def _unfinished_deployment(deployment: Json, status: Json, wanted: int) -> Finding | None:
    conditions = conditions_of(status)
    if is_true(conditions, "ReplicaFailure"):
        return degraded(f"cannot make all its Pods{cause(conditions['ReplicaFailure'])}")
    if is_behind(deployment):
        return degraded(_NOT_SEEN)
    if (updated := status.get("updatedReplicas", 0)) < wanted:
        paused = "paused in its rollout" if deployment["spec"].get("paused") else "rolling out"
        return degraded(f"is {paused}: {updated} of {_replicas_in_words(wanted)} updated")
    if status.get("availableReplicas", 0) < wanted:
        return degraded(_available(status, "availableReplicas", wanted))
    if (old := status.get("replicas", 0) - updated) > 0:
        return degraded(f"is rolling out: {old} old {_noun(old)} to end")
    return None


def judge_stateful_set(stateful_set: Json) -> Finding | None:
    """None for a StatefulSet with all replicas available, of the newest revision where it updates them."""
    wanted, status = _replicas(stateful_set), stateful_set.get("status", {})
    if wanted == 0:
        return degraded("is scaled to zero")
    strategy = stateful_set["spec"].get("updateStrategy", {})
    due = max(0, wanted - strategy.get("rollingUpdate", {}).get("partition", 0))
    current = status.get("currentRevision") == status.get("updateRevision")
    updated = due if current or _is_by_hand(strategy) else status.get("updatedReplicas", 0)
    return (
        _too_few(status, "availableReplicas", wanted, _spared(strategy, wanted, round_up=False))
        or (degraded(_NOT_SEEN) if is_behind(stateful_set) else None)
        or _lagging(updated, due)
        or _fewer(status, "availableReplicas", wanted)
    )


def judge_daemon_set(daemon_set: Json) -> Finding | None:
    """None for a DaemonSet that is available on each node that it is meant for, updated where it updates itself."""
    status = daemon_set.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    strategy = daemon_set["spec"].get("updateStrategy", {})
    updated = wanted if _is_by_hand(strategy) else status.get("updatedNumberScheduled", 0)
    return (
        _too_few(status, "numberAvailable", wanted, _spared(strategy, wanted, round_up=True))
        or (degraded(_NOT_SEEN) if is_behind(daemon_set) else None)
        or _lagging(updated, wanted)
        or _fewer(status, "numberAvailable", wanted)
    )


def _is_by_hand(strategy: Json) -> bool:
    return strategy.get("type") == "OnDelete"


def _spared(strategy: Json, wanted: int, *, round_up: bool) -> int:
    """How many replicas a rolling update may take away at a time: 1 unless the workload says more."""
    most = strategy.get("rollingUpdate", {}).get("maxUnavailable") or 1
    if isinstance(most, str):
        share = int(most.removesuffix("%")) * wanted / 100
        most = ceil(share) if round_up else floor(share)
    return max(1, most)


def _too_few(status: Json, available: str, wanted: int, spared: int) -> Finding | None:
    """Beyond what an update may take away, or none at all."""
    count = status.get(available, 0)
    if wanted > 0 and (count == 0 or count < wanted - spared):
        return failed(_available(status, available, wanted))
    return None


def _fewer(status: Json, available: str, wanted: int) -> Finding | None:
    return degraded(_available(status, available, wanted)) if status.get(available, 0) < wanted else None


def _lagging(updated: int, due: int) -> Finding | None:
    return degraded(f"is rolling out: {updated} of {_replicas_in_words(due)} updated") if updated < due else None


def _available(status: Json, available: str, wanted: int) -> str:
    return f"has {status.get(available, 0)} of {_replicas_in_words(wanted)} available"


def _replicas(workload: Json) -> int:
    replicas: int = workload["spec"].get("replicas", 1)
    return replicas


def _replicas_in_words(count: int) -> str:
    return f"{count} {_noun(count)}"


def _noun(count: int) -> str:
    return "replica" if count == 1 else "replicas"
