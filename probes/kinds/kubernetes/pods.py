"""The health of Pods that a selector finds."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from probes.kinds.kubernetes.findings import Finding, Json, conditions_of, degraded, failed, is_true, names

# What a container waits for that does not come by itself, or not for long.
_STUCK: Final = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


def judge_pods(pods: Sequence[Json], selector: str, min_ready: int) -> Finding | None:
    """None for enough ready Pods, none of them stuck. Pods that have ended or are ending count for nothing."""
    living = [pod for pod in pods if _is_living(pod)]
    ready = sum(is_true(conditions_of(pod["status"]), "Ready") for pod in living)
    stuck = [f"{pod['metadata']['name']} ({reason})" for pod in living if (reason := _why_stuck(pod))]
    trouble = f"; stuck: {names(stuck)}" if stuck else ""
    if not living:
        return failed(f"no Pod matches {selector}")
    if ready < min_ready:
        return failed(f"{ready} of {_pods(len(living))} that match {selector} ready, {min_ready} wanted{trouble}")
    if stuck:
        return degraded(f"{ready} of {_pods(len(living))} that match {selector} ready{trouble}")
    return None


def _is_living(pod: Json) -> bool:
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


def _why_stuck(pod: Json) -> str | None:
    return next((reason for reason in _waiting_for(pod["status"]) if reason in _STUCK), None)


def _waiting_for(status: Json) -> Iterator[str]:
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting") or {}
        yield waiting.get("reason", "")


def _containers(status: Json) -> Iterable[Json]:
    return (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))


def _pods(count: int) -> str:
    return "1 Pod" if count == 1 else f"{count} Pods"
