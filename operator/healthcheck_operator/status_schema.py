"""The schema of a HealthCheck's status, which the operator alone writes."""

from typing import Final

from healthcheck_operator.durations import MAXIMUM_DURATION_LENGTH
from healthcheck_operator.schema_parts import Schema, object_schema
from tocsin.domain.status import Status
from tocsin.domain.targets import KINDS

MAXIMUM_TARGET_LENGTH: Final = 2048
MAXIMUM_MESSAGE_LENGTH: Final = 1024
_MOST_LOCATIONS: Final = 50
_MOST_CONDITIONS: Final = 16


def _text(description: str, longest: int) -> Schema:
    return {"type": "string", "description": description, "maxLength": longest}


def _instant(description: str) -> Schema:
    return {"type": "string", "format": "date-time", "description": description}


def _state(description: str) -> Schema:
    return {"type": "string", "description": description, "enum": [status.value for status in Status]}


def _map_list(items: Schema, key: str, most: int, description: str) -> Schema:
    return {
        "type": "array",
        "description": description,
        "maxItems": most,
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    }


_LATENCY: Final = _text("How long the last probe took, such as 12ms.", MAXIMUM_DURATION_LENGTH)
_MESSAGE: Final = _text("What the last probe found, for people.", MAXIMUM_MESSAGE_LENGTH)
_PERCENTAGE: Final[Schema] = {
    "type": "string",
    "description": "Percentage of time, such as 99.95.",
    "maxLength": 8,
    "pattern": r"^[0-9]{1,3}(\.[0-9]+)?$",
}
_UPTIME: Final = object_schema(
    {"24h": _PERCENTAGE, "30d": _PERCENTAGE}, "Time-weighted uptime, without maintenance and unknown time."
)
_INCIDENT: Final = object_schema(
    {
        "id": _text("Global id of the incident.", 64),
        "openedAt": _instant("When the first of the failing slots was due."),
        "acknowledgedAt": _instant("When somebody acknowledged it."),
        "cause": _text("Typed reason, such as TIMEOUT.", 64),
        "message": _text("What the deciding probe found.", MAXIMUM_MESSAGE_LENGTH),
    },
    "The open incident; absent when there is none.",
    ("id", "openedAt"),
)
_LOCATION: Final = object_schema(
    {
        "name": _text("Name of the location.", 100),
        "state": _state("What the target is known to be from there."),
        "lastCheckTime": _instant("The last slot that was probed from there."),
        "lastLatency": _LATENCY,
        "message": _MESSAGE,
    },
    "What one location sees.",
    ("name", "state"),
)
# As `metav1.Condition` of Kubernetes.
_CONDITION: Final = object_schema(
    {
        "type": {
            "type": "string",
            "description": "Ready, Synced, TargetResolved, SecretsResolved, Healthy or Stalled.",
            "maxLength": 316,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {
            "type": "string",
            "description": "True, False or Unknown.",
            "enum": ["True", "False", "Unknown"],
        },
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "description": "The generation that it speaks of.",
        },
        "lastTransitionTime": _instant("When the status of this condition changed last."),
        "reason": {
            "type": "string",
            "description": "Why, in one word.",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": _text("Why, for people, with the remedy.", 32768),
    },
    "One aspect of the object, as tools wait for it.",
    ("type", "status", "lastTransitionTime", "reason", "message"),
)


def status_schema() -> Schema:
    properties: dict[str, Schema] = {
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "description": "The generation of the spec that this status speaks of.",
        },
        "checkID": _text("Global id of the check in the GraphQL API.", 64),
        "type": _text(f"Kind of the target, such as {next(iter(KINDS))}.", 63),
        "target": _text("URL, or host and port, as it is probed; references are resolved.", MAXIMUM_TARGET_LENGTH),
        "schedule": _text("When it is due, with defaults: an interval such as 1m, or a cron expression.", 200),
        "state": _state("What the target is known to be."),
        "lastTransitionTime": _instant("When this state began."),
        "lastCheckTime": _instant("The last slot that was probed."),
        "lastLatency": _LATENCY,
        "uptime": _UPTIME,
        "incident": _INCIDENT,
        "locations": _map_list(_LOCATION, "name", _MOST_LOCATIONS, "What each location sees."),
        "message": _MESSAGE,
        "conditions": _map_list(_CONDITION, "type", _MOST_CONDITIONS, "What tools wait for."),
    }
    return object_schema(properties, "What the check has found; written by the operator.")
