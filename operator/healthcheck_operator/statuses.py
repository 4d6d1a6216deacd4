"""The status of a HealthCheck, made from what the operator did and what the database tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from healthcheck_operator.conditions import Condition, Truth, instant, written
from healthcheck_operator.durations import format_duration
from healthcheck_operator.resources import HealthCheck
from healthcheck_operator.status_schema import MAXIMUM_MESSAGE_LENGTH
from tocsin.domain.global_ids import encode
from tocsin.domain.status import Status

_MICROSECOND: Final = timedelta(microseconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
# What this operator says of an object; others may say more.
_OWN_CONDITIONS: Final = ("Ready", "Synced", "TargetResolved", "SecretsResolved", "Stalled", "Healthy")
# What changes with every probe is written on the slow refresh, and along with what changed in earnest.
_PASSING: Final = ("lastCheckTime", "lastLatency", "uptime", "locations")
_HEALTH: Final[Mapping[Status, tuple[Truth, str, str]]] = {
    Status.UP: (Truth.TRUE, "Up", "the target answers as expected"),
    Status.DEGRADED: (Truth.TRUE, "Degraded", "the target answers, but not as well as it should"),
    Status.DOWN: (Truth.FALSE, "Down", "the target does not answer as expected"),
    Status.UNKNOWN: (Truth.UNKNOWN, "Unknown", "at present nothing is known of the target"),
    Status.PENDING: (Truth.UNKNOWN, "Pending", "too few probes were made yet"),
    Status.PAUSED: (Truth.UNKNOWN, "Suspended", "no probes are made"),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of making the database agree with an object.

    `conditions` are Synced, TargetResolved, SecretsResolved and Stalled. `check_id` is None as long as there is no
    check; `shown` holds the parts of a status that tell of the spec: type, target and schedule. What depends on other
    objects is looked at again now and then.
    """

    conditions: tuple[Condition, ...]
    organization_id: int | None = None
    check_id: int | None = None
    shown: Mapping[str, str] | None = None
    needs_retry: bool = False
    depends_on_others: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a check: its row as `check_rows` reads it, and its uptime of a day and of 30, from 0 to 1.

    `locations` are rows of `location_states`.
    """

    row: asyncpg.Record
    locations: Sequence[asyncpg.Record] = ()
    uptime_day: float | None = None
    uptime_month: float | None = None


def build_status(
    healthcheck: HealthCheck, attempt: Attempt, observed: Observed | None, now: datetime
) -> dict[str, Any]:
    """The whole status, as it is to stand in the object."""
    ready = _ready(attempt)
    conditions = (ready, *attempt.conditions, _healthy(observed))
    status: dict[str, Any] = {
        "observedGeneration": healthcheck.generation,
        **(attempt.shown or {}),
        **({} if observed is None else _observed(observed)),
        "conditions": written(conditions, healthcheck.status.get("conditions") or (), healthcheck.generation, now),
    }
    if ready.status is Truth.FALSE:
        status["message"] = ready.message[:MAXIMUM_MESSAGE_LENGTH]
    return status


def unobserved_status(healthcheck: HealthCheck, attempt: Attempt, now: datetime) -> dict[str, Any]:
    """The status while the database does not tell of the check: what was known of the target stays."""
    before = healthcheck.status.get("conditions") or ()
    healthy = [dict(each) for each in before if each["type"] == "Healthy"]
    conditions = written((_ready(attempt), *attempt.conditions), before, healthcheck.generation, now)
    return {**healthcheck.status, "observedGeneration": healthcheck.generation, "conditions": [*conditions, *healthy]}


def is_synced(healthcheck: HealthCheck) -> bool:
    """Whether the object says that the database holds this generation."""
    conditions = healthcheck.status.get("conditions") or ()
    return healthcheck.status.get("observedGeneration") == healthcheck.generation and any(
        each["type"] == "Synced" and each["status"] == "True" for each in conditions
    )


def _is_problem(condition: Condition) -> bool:
    return condition.status is (Truth.TRUE if condition.type == "Stalled" else Truth.FALSE)


def _ready(attempt: Attempt) -> Condition:
    """Whether the spec is accepted, stored and scheduled. That the target is down does not matter here."""
    synced, *causes = attempt.conditions
    if problem := next((each for each in (*causes, synced) if _is_problem(each)), None):
        return Condition("Ready", Truth.FALSE, problem.reason, problem.message)
    return Condition("Ready", Truth.TRUE, "Scheduled", "the check is stored, and probed as its schedule says")


def _healthy(observed: Observed | None) -> Condition:
    if observed is None:
        return Condition("Healthy", Truth.UNKNOWN, "NotScheduled", "the target is not probed")
    truth, reason, message = _HEALTH[Status(observed.row["status"])]
    return Condition("Healthy", truth, reason, observed.row["incident_message"] or message)


def _observed(observed: Observed) -> dict[str, Any]:
    row = observed.row
    passing = _last_probe(row)
    status = {
        "checkID": encode("check", row["id"]),
        "state": row["status"],
        "lastTransitionTime": instant(row["since"]),
        "locations": [_location(each) for each in observed.locations],
        **passing,
    }
    if message := (row["incident_message"] or row["last_message"]):
        status["message"] = message[:MAXIMUM_MESSAGE_LENGTH]
    uptime = {"24h": _percentage(observed.uptime_day), "30d": _percentage(observed.uptime_month)}
    if known := {name: text for name, text in uptime.items() if text}:
        status["uptime"] = known
    if row["incident_id"]:
        status["incident"] = _incident(row)
    return status


def _location(row: asyncpg.Record) -> dict[str, str]:
    message = {"message": row["last_message"][:MAXIMUM_MESSAGE_LENGTH]} if row["last_message"] else {}
    return {"name": row["name"], "state": row["status"], **_last_probe(row), **message}


def _last_probe(row: asyncpg.Record) -> dict[str, str]:
    if row["last_started_at"] is None:
        return {}
    latency = row["last_duration_us"] * _MICROSECOND // _MILLISECOND * _MILLISECOND
    return {"lastCheckTime": instant(row["last_started_at"]), "lastLatency": format_duration(latency)}


def _percentage(share: float | None) -> str | None:
    # Cut off, not rounded: 99.999 % is not 100 %.
    return None if share is None else f"{int(share * 10_000) / 100:g}"


def _incident(row: asyncpg.Record) -> dict[str, str]:
    incident = {
        "id": encode("incident", row["incident_id"]),
        "openedAt": instant(row["incident_opened_at"]),
        "acknowledgedAt": row["incident_acknowledged_at"] and instant(row["incident_acknowledged_at"]),
        "cause": row["incident_cause"],
        "message": row["incident_message"],
    }
    return {name: value for name, value in incident.items() if value}


def differs(status: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether one tells something that the other does not, beside what passes with every probe."""
    return _lasting(status) != _lasting(before)


def _lasting(status: Mapping[str, Any]) -> dict[str, Any]:
    lasting = {name: value for name, value in status.items() if name not in _PASSING}
    lasting["conditions"] = [
        {**each, "lastTransitionTime": None}
        for each in sorted(status.get("conditions") or (), key=_type)
        if each["type"] in _OWN_CONDITIONS
    ]
    return lasting


def _type(condition: Mapping[str, Any]) -> str:
    return str(condition["type"])
