"""What is asked of the API, and how its answers are read."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from tocsin.watch.model import (
    KEPT_RESULTS,
    Check,
    CheckEvent,
    CheckName,
    Incident,
    IncidentChanged,
    Result,
    ResultSeen,
    StatusChanged,
)

Json: TypeAlias = Mapping[str, Any]

_RESULT: Final = "slot durationMs outcome reason message statusCode"
_NAMED: Final = "id name site { name }"
_INCIDENT: Final = "id openedAt acknowledgedAt resolvedAt cause message"
_CHECK: Final = f"""
{_NAMED} kind status statusSince uptime(window: DAY) {{ ratio until }} openIncident {{ {_INCIDENT} }}
lastResult {{ {_RESULT} }}
"""
_PAGE: Final = """
query ($first: Int!, $after: String) {
  viewer { organization { name } }
  checks(first: $first, after: $after) { pageInfo { hasNextPage endCursor } nodes { %s } }
}
"""
CHECKS: Final = _PAGE % _CHECK
CHECKS_WITH_RESULTS: Final = _PAGE % f"{_CHECK} results(first: {KEPT_RESULTS}) {{ nodes {{ {_RESULT} }} }}"

# By the operations' ids, which are the names of the subscriptions too.
SUBSCRIPTIONS: Final[Mapping[str, str]] = {
    name: f"subscription ($after: String) {{ {name}(after: $after) {{ cursor {fields} }} }}"
    for name, fields in {
        "checkResults": f"check {{ {_NAMED} }} result {{ {_RESULT} }}",
        "statusChanges": f"check {{ {_NAMED} status statusSince }} from to at reason",
        "incidentEvents": f"incident {{ {_INCIDENT} check {{ {_NAMED} }} }} kind at message actor",
    }.items()
}


def read_organization(data: Json) -> str:
    """The name in an answer to `CHECKS`."""
    return _text(data["viewer"]["organization"]["name"])


def read_checks(data: Json) -> list[Check]:
    """The checks in an answer to `CHECKS`."""
    return [_check(node) for node in data["checks"]["nodes"]]


def read_clock(data: Json) -> datetime | None:
    """What the platform's clock showed when it answered; None in an answer without checks."""
    return next((_instant(node["uptime"]["until"]) for node in data["checks"]["nodes"]), None)


def next_page(data: Json) -> str | None:
    """The cursor after which `CHECKS` goes on; None on the last page."""
    page = data["checks"]["pageInfo"]
    return page["endCursor"] if page["hasNextPage"] else None


def read_event(subscription: str, event: Json) -> CheckEvent | None:
    """What a subscription told; None about a check that is forgotten already."""
    return _READERS[subscription](event)


def _result_seen(event: Json) -> ResultSeen:
    return ResultSeen(_named(event["check"]), _result(event["result"]))


def status_changed(event: Json) -> StatusChanged:
    """What `statusChanges` told."""
    check = event["check"]
    at, since = _instant(event["at"]), _instant(check["statusSince"])
    return StatusChanged(_named(check), event["from"], event["to"], at, event["reason"], check["status"], since)


def _incident_changed(event: Json) -> IncidentChanged | None:
    incident = event["incident"]
    if incident["check"] is None:
        return None
    return IncidentChanged(
        check=_named(incident["check"]),
        incident=_incident(incident),
        kind=_text(event["kind"]),
        at=_instant(event["at"]),
        message=_optional_text(event["message"]),
        actor=_optional_text(event["actor"]),
    )


_READERS: Final[Mapping[str, Callable[[Json], CheckEvent | None]]] = {
    "checkResults": _result_seen,
    "statusChanges": status_changed,
    "incidentEvents": _incident_changed,
}


def _check(node: Json) -> Check:
    rows = node["results"]["nodes"] if "results" in node else filter(None, [node["lastResult"]])
    return Check(
        named=_named(node),
        kind=_text(node["kind"]).lower(),
        status=_text(node["status"]),
        since=_instant(node["statusSince"]),
        uptime=node["uptime"]["ratio"],
        results=tuple(sorted(map(_result, rows), key=lambda result: result.slot)),
        incident=None if node["openIncident"] is None else _incident(node["openIncident"]),
    )


def _named(node: Json) -> CheckName:
    return CheckName(node["id"], _text(node["site"]["name"]), _text(node["name"]))


def _result(node: Json) -> Result:
    duration_ms = node["durationMs"]
    return Result(
        slot=_instant(node["slot"]),
        outcome=_text(node["outcome"]),
        duration=None if duration_ms is None else timedelta(milliseconds=duration_ms),
        reason=_optional_text(node["reason"]),
        message=_optional_text(node["message"]),
        status_code=node["statusCode"],
    )


def _incident(node: Json) -> Incident:
    return Incident(
        id=node["id"],
        opened_at=_instant(node["openedAt"]),
        acknowledged_at=_optional_instant(node["acknowledgedAt"]),
        resolved_at=_optional_instant(node["resolvedAt"]),
        cause=_optional_text(node["cause"]),
        message=_optional_text(node["message"]),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)


def _text(text: str) -> str:
    """One line without control characters: what a target answered must not command the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _optional_text(text: str | None) -> str | None:
    return None if text is None else _text(text)
