"""The prober for objects of the cluster: what is asked, and what becomes of answers and findings."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure, TargetBlockedError
from probes.kinds.kubernetes.api_server import Answer
from probes.kinds.kubernetes.conditions import judge_condition
from probes.kinds.kubernetes.findings import Finding, Json
from probes.kinds.kubernetes.jobs import judge_cron_job, judge_job
from probes.kinds.kubernetes.pods import judge_pods
from probes.kinds.kubernetes.rollouts import judge_daemon_set, judge_deployment, judge_stateful_set
from probes.trace import Trace
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.kubernetes import (
    KubernetesPods,
    KubernetesResource,
    KubernetesTarget,
    KubernetesWorkload,
    WorkloadKind,
)

# Parsing 50 Pods holds up the event loop, and so other probes, for some 10 ms.
_PODS_A_PAGE: Final = 50
_MOST_PODS: Final = 1000
_USUAL_GRANT: Final = "kubernetesChecks.enabled and kubernetesChecks.namespaces"
_EXTRA_GRANT: Final = "kubernetesChecks.extraResources and kubernetesChecks.namespaces"
_GROUPS: Final[Mapping[WorkloadKind, str]] = {
    WorkloadKind.DEPLOYMENT: "apps",
    WorkloadKind.STATEFUL_SET: "apps",
    WorkloadKind.DAEMON_SET: "apps",
    WorkloadKind.JOB: "batch",
    WorkloadKind.CRON_JOB: "batch",
}


async def probe_kubernetes(target: KubernetesTarget, engine: Engine, trace: Trace) -> None:
    """Return if the target is healthy. Raises ProbeFailure with what is wrong with it.

    Where the API server does not tell, for want of rights or because it is away, the failure's outcome is UNKNOWN.
    """
    asking = _Asking(target.namespace, engine, trace)
    if target.workload is not None:
        await _probe_workload(target.workload, asking)
    elif target.pods is not None:
        await _probe_pods(target.pods, asking)
    elif target.resource is not None:
        await _probe_resource(target.resource, asking)


class _Asking:
    """Questions about one namespace."""

    def __init__(self, namespace: str, engine: Engine, trace: Trace) -> None:
        self.namespace = namespace
        self.now = engine.now
        self._engine = engine
        self._trace = trace

    async def get(self, group: str, version: str, rest: str, grant: str, **parameters: str) -> Json:
        """An object or a list. `rest` is the plural and the name; `grant` the chart's values that let us read it."""
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        path = f"{root}/namespaces/{self.namespace}/{rest}"
        answer = await self._engine.api_server.get(path, parameters, self._trace)
        if answer.status_code == 200:
            return answer.content
        raise _refusal(answer, f"{rest.partition('/')[0]} in namespace {self.namespace}", grant)


async def _probe_workload(workload: KubernetesWorkload, asking: _Asking) -> None:
    rest = f"{workload.kind.lower()}s/{workload.name}"
    found = await asking.get(_GROUPS[workload.kind], "v1", rest, _USUAL_GRANT)
    _conclude(_judge(found, workload, asking), f"{workload.kind} {workload.name} ")


def _judge(found: Json, workload: KubernetesWorkload, asking: _Asking) -> Finding | None:
    match workload.kind:
        case WorkloadKind.DEPLOYMENT:
            return judge_deployment(found)
        case WorkloadKind.STATEFUL_SET:
            return judge_stateful_set(found)
        case WorkloadKind.DAEMON_SET:
            return judge_daemon_set(found)
        case WorkloadKind.JOB:
            return judge_job(found)
        case WorkloadKind.CRON_JOB:
            seconds = workload.last_success_within_seconds
            return judge_cron_job(found, None if seconds is None else timedelta(seconds=seconds), asking.now())


async def _probe_pods(pods: KubernetesPods, asking: _Asking) -> None:
    page = {"labelSelector": pods.selector, "limit": str(_PODS_A_PAGE)}
    found: list[Json] = []
    while True:
        answer = await asking.get("", "v1", "pods", _USUAL_GRANT, **page)
        found += answer["items"]
        if not (following := answer["metadata"].get("continue")):
            break
        if len(found) >= _MOST_PODS:
            raise ProbeFailure(
                Reason.BODY_LIMIT, f"more than {_MOST_PODS} Pods match {pods.selector}; select fewer", Outcome.UNKNOWN
            )
        page["continue"] = following
    _conclude(judge_pods(found, pods.selector, pods.min_ready), "")


async def _probe_resource(resource: KubernetesResource, asking: _Asking) -> None:
    rest = f"{resource.resource}/{resource.name}"
    found = await asking.get(resource.group, resource.version, rest, _EXTRA_GRANT)
    subject = f"{found.get('kind', resource.resource)} {resource.name} "
    _conclude(judge_condition(found, resource.condition, resource.status), subject)


def _conclude(finding: Finding | None, subject: str) -> None:
    if finding is not None:
        raise ProbeFailure(Reason.ASSERTION, f"{subject}{finding.message}", finding.outcome)


def _refusal(answer: Answer, what: str, grant: str) -> ProbeFailure:
    """Tell an object that is missing from an API server that does not tell."""
    match answer.status_code:
        case 403:
            return TargetBlockedError(f"this worker has no right to read {what}; grant it with the chart's {grant}")
        case 404:
            return ProbeFailure(Reason.STATUS, _missing(answer, what))
        case 401:
            message = "the API server does not know this worker; look at its service account"
        case status:
            message = f"the API server answered {status} when asked for {what}"
    return ProbeFailure(Reason.STATUS, message, Outcome.UNKNOWN)


def _missing(answer: Answer, what: str) -> str:
    if name := answer.content.get("details", {}).get("name"):
        return f"{name} does not exist among the {what}"
    return f"the API server knows no {what}; is the resource definition installed, and in this version?"
