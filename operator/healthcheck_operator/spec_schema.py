"""The schema of a HealthCheck's spec."""

from collections.abc import Mapping
from typing import Final

from healthcheck_operator.assertion_schemas import assertion_schemas, source_rules
from healthcheck_operator.location_schemas import LOCATIONS, QUORUM, location_rules
from healthcheck_operator.names import property_name
from healthcheck_operator.retries_schema import RETRIES, retries_rules
from healthcheck_operator.rules import exactly_one, validation
from healthcheck_operator.schedule_schemas import INTERVAL, SCHEDULE, TIME_ZONE, TIMEOUT, schedule_rules
from healthcheck_operator.schema_parts import RULES, Schema, object_schema, with_rules
from healthcheck_operator.target_schemas import kind_schema
from tocsin.domain.definitions import (
    DEFAULT_FAILURE_THRESHOLD,
    DEFAULT_SUCCESS_THRESHOLD,
    MAXIMUM_FAILURE_WINDOW,
    MAXIMUM_THRESHOLD,
)
from tocsin.domain.targets.heartbeat import HEARTBEAT_THRESHOLD
from tocsin.domain.targets.model import Target
from tocsin.domain.texts import MAXIMUM_DESCRIPTION_LENGTH, MAXIMUM_LABELS, MAXIMUM_NAME_LENGTH

_LABEL_PART: Final = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DNS_LABEL: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

_SITE: Final[Schema] = {
    "type": "string",
    "description": "Name of the site that the check belongs to; made when there is none. Default: the namespace.",
    "minLength": 1,
    "maxLength": MAXIMUM_NAME_LENGTH,
    RULES: [
        validation(r'self.matches(r"[^\s\pZ]")', "must not be blank; leave it out for the namespace's name"),
        validation(r'!self.matches(r"[\p{Cc}\p{Zl}\p{Zp}]")', "must not contain control characters; leave them out"),
    ],
}
_DESCRIPTION: Final[Schema] = {
    "type": "string",
    "description": f"What it is for, at most {MAXIMUM_DESCRIPTION_LENGTH} characters.",
    "maxLength": MAXIMUM_DESCRIPTION_LENGTH,
    RULES: [
        validation(
            r'!self.matches(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\p{Zl}\p{Zp}]")',
            "must not contain control characters other than line breaks and tabs; leave them out",
        )
    ],
}
_LABELS: Final[Schema] = {
    "type": "object",
    "description": f"Labels by which the check is found, at most {MAXIMUM_LABELS}.",
    "maxProperties": MAXIMUM_LABELS,
    "additionalProperties": {
        "type": "string",
        "maxLength": 63,
        RULES: [
            validation(
                f'self == "" || self.matches("^{_LABEL_PART}$")',
                "must be empty, or up to 63 letters, digits and -_. that begin and end with a letter or digit",
            )
        ],
    },
    RULES: [
        validation(
            f'self.all(name, name.matches(r"^({_DNS_LABEL}(\\.{_DNS_LABEL})*/)?{_LABEL_PART}$") && '
            'name.indexOf("/") <= 253)',
            "must have names of up to 63 letters, digits and -_. that begin and end with a letter or digit; a prefix "
            "such as example.com/ may stand before a name",
        )
    ],
}


def _threshold(description: str, default: int) -> Schema:
    return {
        "type": "integer",
        "description": f"{description} Default: {default}, or {HEARTBEAT_THRESHOLD} of a heartbeat.",
        "format": "int32",
        "minimum": 1,
        "maximum": MAXIMUM_THRESHOLD,
    }


_FAILURE_WINDOW: Final[Schema] = {
    "type": "integer",
    "description": "Among how many of the last slots the failing ones may lie. Default: failure, so in a row.",
    "format": "int32",
    "minimum": 1,
    "maximum": MAXIMUM_FAILURE_WINDOW,
}
_THRESHOLDS: Final = with_rules(
    object_schema(
        {
            "failure": _threshold(
                "Failing slots, consecutive or among those of the window, that make it DOWN.", DEFAULT_FAILURE_THRESHOLD
            ),
            "success": _threshold("Consecutive successful slots that bring it back.", DEFAULT_SUCCESS_THRESHOLD),
            "window": _FAILURE_WINDOW,
        },
        "How many slots decide.",
    ),
    [
        validation(
            f"!has(self.window) || self.window >= (has(self.failure) ? self.failure : {DEFAULT_FAILURE_THRESHOLD})",
            "must be at least the failure threshold; lengthen the window, or lower failure",
            "window",
        )
    ],
)
_DELETION_POLICY: Final[Schema] = {
    "type": "string",
    "description": "What becomes of the check when this object is deleted. Retain pauses it and keeps its history; an "
    "object of the same namespace and name takes it up again.",
    "enum": ["Retain", "Delete"],
    "default": "Delete",
}


def spec_schema(kinds: Mapping[str, type[Target]]) -> Schema:
    properties: dict[str, Schema] = {
        "site": _SITE,
        "description": _DESCRIPTION,
        "suspend": {"type": "boolean", "description": "Whether the check is paused. Default: false."},
        "interval": INTERVAL,
        "schedule": SCHEDULE,
        "timeZone": TIME_ZONE,
        "timeout": TIMEOUT,
        "retries": RETRIES,
        **{property_name(kind): kind_schema(model) for kind, model in kinds.items()},
        **assertion_schemas(),
        "thresholds": _THRESHOLDS,
        "locations": LOCATIONS,
        "quorum": QUORUM,
        "labels": _LABELS,
        "deletionPolicy": _DELETION_POLICY,
    }
    names = [property_name(kind) for kind in kinds]
    one_kind = exactly_one(names, f"must have exactly one of {', '.join(names)}")
    rules = [*one_kind, *source_rules(kinds), *schedule_rules(), *location_rules(), *retries_rules()]
    return with_rules(object_schema(properties, "What is checked, and when."), rules)
