"""Pods by their labels, as kubelets write their status; and any object by a condition."""

from typing import Any

import pytest

from probes.kinds.kubernetes.conditions import judge_condition
from probes.kinds.kubernetes.findings import Finding
from probes.kinds.kubernetes.pods import judge_pods
from tocsin.domain.targets.kubernetes import ConditionStatus

Told = tuple[str, str]


def told(finding: Finding | None) -> Told | None:
    return None if finding is None else (finding.outcome.value, finding.message)


def pod(name: str, phase: str = "Running", *, ready: bool = True, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}], **status},
    }


def waiting(name: str, reason: str, containers: str = "containerStatuses") -> dict[str, Any]:
    status: dict[str, Any] = {containers: [{"name": "app", "state": {"waiting": {"reason": reason}}}]}
    return pod(name, ready=False, **status)


def ending(name: str) -> dict[str, Any]:
    living = pod(name)
    return {**living, "metadata": {**living["metadata"], "deletionTimestamp": "2026-03-10T12:00:00Z"}}


WEB = [pod("web-1"), pod("web-2")]
PODS: list[tuple[list[dict[str, Any]], Told | None]] = [
    (WEB, None),
    ([*WEB, pod("web-3", "Pending", ready=False)], None),
    ([*WEB, pod("web-0", "Failed", ready=False, reason="Evicted"), pod("web-job", "Succeeded", ready=False)], None),
    ([*WEB, waiting("web-3", "ContainerCreating")], None),
    ([], ("FAILURE", "no Pod matches app=web")),
    ([pod("web-0", "Failed", ready=False)], ("FAILURE", "no Pod matches app=web")),
    ([pod("web-1"), ending("web-2")], ("FAILURE", "1 of 1 Pod that match app=web ready, 2 wanted")),
    (
        [pod("web-1"), waiting("web-2", "CrashLoopBackOff")],
        ("FAILURE", "1 of 2 Pods that match app=web ready, 2 wanted; stuck: web-2 (CrashLoopBackOff)"),
    ),
    (
        [*WEB, waiting("web-3", "ImagePullBackOff", "initContainerStatuses")],
        ("DEGRADED", "2 of 3 Pods that match app=web ready; stuck: web-3 (ImagePullBackOff)"),
    ),
    (
        [*WEB, *(waiting(f"web-{number}", "CrashLoopBackOff") for number in range(3, 9))],
        (
            "DEGRADED",
            (
                "2 of 8 Pods that match app=web ready; stuck: web-3 (CrashLoopBackOff), web-4 (CrashLoopBackOff),"
                " web-5 (CrashLoopBackOff) and 3 more"
            ),
        ),
    ),
]


@pytest.mark.proves("kubernetes", "pods")
@pytest.mark.parametrize(("items", "expected"), PODS)
def test_enough_pods_must_be_ready_and_none_stuck(items: list[dict[str, Any]], expected: Told | None) -> None:
    assert told(judge_pods(items, "app=web", 2)) == expected


def certificate(*conditions: dict[str, Any], generation: int = 2, **status: Any) -> dict[str, Any]:
    return {
        "kind": "Certificate",
        "metadata": {"name": "web", "generation": generation},
        "status": {"conditions": list(conditions), **status},
    }


READY = {"type": "Ready", "status": "True", "observedGeneration": 2}
NOT_READY = {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "Issuing certificate"}
CERTIFICATES: list[tuple[dict[str, Any], Told | None]] = [
    (certificate(READY), None),
    (certificate({"type": "Ready", "status": "True"}, generation=7), None),
    (
        certificate(NOT_READY),
        ("FAILURE", "has condition Ready False, not True (DoesNotExist: Issuing certificate)"),
    ),
    (
        certificate({"type": "Ready", "status": "Unknown"}),
        ("FAILURE", "has condition Ready Unknown, not True"),
    ),
    (certificate(READY, generation=3), ("DEGRADED", "has condition Ready True for an older spec")),
    (
        certificate({"type": "Ready", "status": "True"}, observedGeneration=1),
        ("DEGRADED", "has condition Ready True for an older spec"),
    ),
    (certificate({"type": "Issuing", "status": "True"}), ("FAILURE", "has no condition Ready; it has Issuing")),
    (certificate(), ("FAILURE", "has no condition Ready")),
    ({"metadata": {"name": "web"}}, ("FAILURE", "has no condition Ready")),
]


@pytest.mark.proves("kubernetes", "condition")
@pytest.mark.parametrize(("item", "expected"), CERTIFICATES)
def test_an_object_is_judged_by_its_condition(item: dict[str, Any], expected: Told | None) -> None:
    assert told(judge_condition(item, "Ready", ConditionStatus.TRUE)) == expected


def test_a_condition_may_be_wanted_false() -> None:
    assert judge_condition(certificate(NOT_READY), "Ready", ConditionStatus.FALSE) is None
