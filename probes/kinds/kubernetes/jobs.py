"""The health of workloads that end: Jobs and CronJobs."""

from datetime import datetime, timedelta
from typing import Final

from probes.kinds.kubernetes.findings import (
    Finding,
    Json,
    cause,
    conditions_of,
    degraded,
    failed,
    instant,
    is_true,
    undecided,
)
from tocsin.domain.cron import Cron, cron_instants, validate_cron, validate_time_zone

_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def judge_job(job: Json) -> Finding | None:
    """None for a Job that is complete, or at work without a failed Pod."""
    status = job.get("status", {})
    conditions = conditions_of(status)
    if is_true(conditions, "Complete") or is_true(conditions, "SuccessCriteriaMet"):
        return None
    for kind in ("Failed", "FailureTarget"):
        if is_true(conditions, kind):
            return failed(f"has failed{cause(conditions[kind])}")
    if job["spec"].get("suspend"):
        return degraded("is suspended")
    if count := status.get("failed", 0):
        return degraded(f"is not done yet, and {count} {'Pod has' if count == 1 else 'Pods have'} failed")
    return None


def judge_cron_job(cron_job: Json, within: timedelta | None, now: datetime) -> Finding | None:
    """None for a CronJob that succeeded within that time, and whose last run did, or without one may still do."""
    last_run = _judge_last_run(cron_job)
    if within is not None:
        if now - _good_since(cron_job) > within:
            return failed(f"{_last_success(cron_job)}, more than {_in_words(within)} ago")
        last_run = degraded(last_run.message) if last_run else None
    if last_run is None and cron_job["spec"].get("suspend"):
        return degraded("is suspended")
    return last_run


def _judge_last_run(cron_job: Json) -> Finding | None:
    """The status tells when a run began and when one succeeded last, but not of a run that failed."""
    status = cron_job.get("status", {})
    due, succeeded = instant(status.get("lastScheduleTime")), instant(status.get("lastSuccessfulTime"))
    if due is None or (succeeded is not None and succeeded >= due):
        return None
    if not status.get("active"):
        return failed(f"did not succeed in its run of {_shown(due)}; {_last_success(cron_job, 'it ')}")
    if _is_first_since(cron_job, due):
        return None
    return undecided(f"is at its run of {_shown(due)}; {_last_success(cron_job, 'it ')}, before an earlier run was due")


def _is_first_since(cron_job: Json, due: datetime) -> bool:
    """Whether no other run was due between the last success and the run that began then."""
    spec = cron_job["spec"]
    try:
        schedule = Cron(
            validate_cron(_MACROS.get(spec["schedule"], spec["schedule"])),
            validate_time_zone(spec.get("timeZone") or "UTC"),
        )
    except ValueError:  # What Kubernetes takes beyond cron, such as @every 1h.
        return False
    return next(cron_instants(schedule, _good_since(cron_job)), due) >= due


def _good_since(cron_job: Json) -> datetime:
    """When it succeeded last; one that never did counts from its creation."""
    succeeded = instant(cron_job.get("status", {}).get("lastSuccessfulTime"))
    return succeeded or datetime.fromisoformat(cron_job["metadata"]["creationTimestamp"])


def _last_success(cron_job: Json, subject: str = "") -> str:
    if succeeded := instant(cron_job.get("status", {}).get("lastSuccessfulTime")):
        return f"{subject}succeeded last at {_shown(succeeded)}"
    return f"{subject}has not succeeded since it was made at {_shown(_good_since(cron_job))}"


def _shown(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _in_words(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
