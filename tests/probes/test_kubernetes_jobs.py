"""Jobs and CronJobs, as controllers write their status."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from probes.kinds.kubernetes.findings import Finding
from probes.kinds.kubernetes.jobs import judge_cron_job, judge_job

Told = tuple[str, str]
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def told(finding: Finding | None) -> Told | None:
    return None if finding is None else (finding.outcome.value, finding.message)


def condition(kind: str, reason: str = "", message: str = "", status: str = "True") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def job(*conditions: dict[str, str], suspend: bool = False, **status: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "migrate"},
        "spec": {"backoffLimit": 6, "suspend": suspend},
        "status": {"conditions": list(conditions), **status},
    }


TOO_OFTEN = condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
JOBS: list[tuple[dict[str, Any], Told | None]] = [
    ({"metadata": {"name": "migrate"}, "spec": {}}, None),
    (job(active=1), None),
    (job(condition("Complete", "CompletionsReached"), succeeded=1), None),
    (job(condition("Complete"), succeeded=1, failed=2), None),
    (job(condition("SuccessCriteriaMet"), active=1, failed=1), None),
    (
        job(TOO_OFTEN, failed=7),
        ("FAILURE", "has failed (BackoffLimitExceeded: Job has reached the specified backoff limit)"),
    ),
    (job(condition("FailureTarget", "DeadlineExceeded")), ("FAILURE", "has failed (DeadlineExceeded)")),
    (job(active=1, failed=1), ("DEGRADED", "is not done yet, and 1 Pod has failed")),
    (job(active=1, failed=2), ("DEGRADED", "is not done yet, and 2 Pods have failed")),
    (job(condition("Suspended"), suspend=True), ("DEGRADED", "is suspended")),
    (job(condition("Failed", status="False"), active=1), None),
]


@pytest.mark.proves("kubernetes", "job")
@pytest.mark.parametrize(("item", "expected"), JOBS)
def test_a_job_is_judged_by_its_end_and_by_its_failed_pods(item: dict[str, Any], expected: Told | None) -> None:
    assert told(judge_job(item)) == expected


def cron_job(
    began: str | None = None,
    succeeded: str | None = None,
    active: int = 0,
    schedule: str = "0 * * * *",
    made: str = "2026-03-01T00:00:00Z",
    **spec: Any,
) -> dict[str, Any]:
    times = {"lastScheduleTime": began, "lastSuccessfulTime": succeeded}
    return {
        "metadata": {"name": "backup", "creationTimestamp": made},
        "spec": {"schedule": schedule, "suspend": False, **spec},
        "status": {
            **{name: time for name, time in times.items() if time},
            **({"active": [{"kind": "Job", "name": f"backup-{number}"} for number in range(active)]} if active else {}),
        },
    }


NOON, AFTER_NOON = "2026-03-10T12:00:00Z", "2026-03-10T12:01:30Z"
AFTER_ELEVEN, AFTER_TEN = "2026-03-10T11:01:30Z", "2026-03-10T10:01:30Z"

LAST_RUNS: list[tuple[dict[str, Any], Told | None]] = [
    (cron_job(), None),
    (cron_job(NOON, AFTER_NOON), None),
    (cron_job(NOON, NOON), None),
    (cron_job(NOON, AFTER_ELEVEN, active=1), None),
    (cron_job(NOON, AFTER_ELEVEN, active=1, schedule="@hourly"), None),
    (cron_job(NOON, active=1, made="2026-03-10T11:20:00Z"), None),
    (
        cron_job(NOON, AFTER_ELEVEN),
        (
            "FAILURE",
            "did not succeed in its run of 2026-03-10 12:00:00 UTC; it succeeded last at 2026-03-10 11:01:30 UTC",
        ),
    ),
    (
        cron_job(NOON),
        (
            "FAILURE",
            (
                "did not succeed in its run of 2026-03-10 12:00:00 UTC;"
                " it has not succeeded since it was made at 2026-03-01 00:00:00 UTC"
            ),
        ),
    ),
    (
        cron_job(NOON, AFTER_TEN, active=1),
        (
            "UNKNOWN",
            (
                "is at its run of 2026-03-10 12:00:00 UTC; it succeeded last at 2026-03-10 10:01:30 UTC,"
                " before an earlier run was due"
            ),
        ),
    ),
    (cron_job(NOON, AFTER_NOON, suspend=True), ("DEGRADED", "is suspended")),
]


@pytest.mark.parametrize(("item", "expected"), LAST_RUNS)
def test_a_cron_job_is_judged_by_its_last_run(item: dict[str, Any], expected: Told | None) -> None:
    assert told(judge_cron_job(item, None, NOW)) == expected


def test_what_was_due_while_a_run_goes_on_is_told_in_the_zone_of_the_cron_job() -> None:
    daily = cron_job("2026-03-10T11:00:00Z", "2026-03-09T11:05:00Z", 1, "0 7 * * *", timeZone="America/New_York")
    assert judge_cron_job(daily, None, NOW) is None


def test_a_schedule_that_cron_does_not_know_leaves_a_run_undecided() -> None:
    finding = judge_cron_job(cron_job(NOON, AFTER_ELEVEN, 1, "@every 1h"), None, NOW)
    assert finding is not None
    assert finding.outcome.value == "UNKNOWN"


WITHIN_A_DAY: list[tuple[dict[str, Any], Told | None]] = [
    (cron_job(NOON, AFTER_NOON), None),
    (cron_job(NOON, AFTER_ELEVEN, active=1), None),
    (cron_job(made="2026-03-10T11:00:00Z"), None),
    (cron_job("2026-03-09T12:00:00Z", "2026-03-09T12:30:00Z"), None),
    (
        cron_job(NOON, "2026-03-09T12:29:59Z", active=1),
        ("FAILURE", "succeeded last at 2026-03-09 12:29:59 UTC, more than 24 h ago"),
    ),
    (
        cron_job(),
        ("FAILURE", "has not succeeded since it was made at 2026-03-01 00:00:00 UTC, more than 24 h ago"),
    ),
    (
        cron_job(NOON, AFTER_ELEVEN),
        (
            "DEGRADED",
            "did not succeed in its run of 2026-03-10 12:00:00 UTC; it succeeded last at 2026-03-10 11:01:30 UTC",
        ),
    ),
    (cron_job(NOON, AFTER_NOON, suspend=True), ("DEGRADED", "is suspended")),
]


@pytest.mark.proves("kubernetes", "last success of a CronJob")
@pytest.mark.parametrize(("item", "expected"), WITHIN_A_DAY)
def test_a_cron_job_is_judged_by_the_age_of_its_last_success(item: dict[str, Any], expected: Told | None) -> None:
    assert told(judge_cron_job(item, DAY, NOW)) == expected


@pytest.mark.parametrize(
    ("within", "words"),
    [(60, "60 s"), (120, "2 min"), (5400, "90 min"), (93_600, "26 h"), (172_800, "2 d"), (100, "100 s")],
)
def test_an_age_is_told_in_the_largest_whole_unit(within: int, words: str) -> None:
    finding = judge_cron_job(cron_job(), timedelta(seconds=within), NOW)
    assert finding is not None
    assert finding.message.endswith(f"more than {words} ago")
