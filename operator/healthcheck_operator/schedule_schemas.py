"""When a HealthCheck is due: interval or cron, time zone and timeout."""

from typing import Final

from healthcheck_operator.durations import DURATION_PATTERN, MAXIMUM_DURATION_LENGTH, format_duration
from healthcheck_operator.rules import Validation, validation
from healthcheck_operator.schema_parts import RULES, Schema
from tocsin.domain.cron import MAXIMUM_CRON_LENGTH
from tocsin.domain.definitions import DEFAULT_INTERVAL, DEFAULT_TIMEOUT, MAXIMUM_TIMEOUT, MINIMUM_TIMEOUT
from tocsin.domain.schedule import MAXIMUM_INTERVAL, MINIMUM_INTERVAL
from tocsin.domain.targets.heartbeat import HEARTBEAT_INTERVAL

_MONTHS: Final = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS: Final = "SUN|MON|TUE|WED|THU|FRI|SAT"


def _cron_field(value: str, also: str = "") -> str:
    """A pattern of one field: a list of values, ranges and steps, and what only this field knows."""
    term = rf"((\*|{value}(-{value})?)(/0*[1-9][0-9]*)?{also})"
    return f"{term}(,{term})*"


CRON_PATTERN: Final = r"(?i)^\s*" + r"\s+".join(
    (
        _cron_field("0*[1-5]?[0-9]"),
        _cron_field("0*(1?[0-9]|2[0-3])"),
        _cron_field("0*([1-9]|[12][0-9]|3[01])", "|LW?(/0*[1-9][0-9]*)?"),
        _cron_field(f"(0*([1-9]|1[0-2])|{_MONTHS})"),
        _cron_field(f"(0*[0-7]|{_DAYS})", f"|0*[0-7]L|(0*[0-7]|{_DAYS})#0*[1-5]"),
    )
) + r"\s*$"  # fmt: skip

INTERVAL: Final[Schema] = {
    "type": "string",
    "description": "How often it is due, in whole seconds from 1s to 24h, such as 30s or 5m; not together with "
    f"schedule. Default, without a schedule: {format_duration(DEFAULT_INTERVAL)}, or "
    f"{format_duration(HEARTBEAT_INTERVAL)} of a heartbeat.",
    "maxLength": MAXIMUM_DURATION_LENGTH,
    "pattern": DURATION_PATTERN,
    RULES: [
        validation(
            f'self.matches(r"{DURATION_PATTERN}") && '
            f'duration(self) >= duration("{format_duration(MINIMUM_INTERVAL)}") && '
            f'duration(self) <= duration("{format_duration(MAXIMUM_INTERVAL)}") && '
            "duration(self).getMilliseconds() % 1000 == 0",
            f"must be whole seconds from {format_duration(MINIMUM_INTERVAL)} to {format_duration(MAXIMUM_INTERVAL)}, "
            "such as 30s or 5m; use schedule for longer ones",
        )
    ],
}
TIMEOUT: Final[Schema] = {
    "type": "string",
    "description": f"How long a probe may take, at most the interval, such as 500ms or 5s. Default: "
    f"{format_duration(DEFAULT_TIMEOUT)}, or less for all attempts and delays to fit into the interval.",
    "maxLength": MAXIMUM_DURATION_LENGTH,
    "pattern": DURATION_PATTERN,
    RULES: [
        validation(
            f'self.matches(r"{DURATION_PATTERN}") && '
            f'duration(self) >= duration("{format_duration(MINIMUM_TIMEOUT)}") && '
            f'duration(self) <= duration("{format_duration(MAXIMUM_TIMEOUT)}")',
            f"must be from {format_duration(MINIMUM_TIMEOUT)} to {format_duration(MAXIMUM_TIMEOUT)}, "
            "such as 500ms or 5s",
        )
    ],
}
SCHEDULE: Final[Schema] = {
    "type": "string",
    "description": "When it is due, as a cron expression of five fields, such as */5 * * * *; not together with "
    "interval.",
    "minLength": 1,
    "maxLength": MAXIMUM_CRON_LENGTH,
    RULES: [
        validation(
            f'self.matches(r"{CRON_PATTERN}")',
            "must have five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC), "
            "day of week (0-7 or SUN-SAT), as in */5 * * * *",
        )
    ],
}
TIME_ZONE: Final[Schema] = {
    "type": "string",
    "description": "Zone of the schedule in the IANA database, such as Europe/Berlin. Default: UTC.",
    "minLength": 1,
    "maxLength": 64,
    RULES: [
        validation(
            # An unknown zone is an error of getHours, which the API server reports with the message.
            'self.matches("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$") && '
            '!(self in ["Factory", "Local", "localtime"]) && '
            'timestamp("2000-01-01T00:00:00Z").getHours(self) >= 0',
            "must be a time zone of the IANA database, such as Europe/Berlin or UTC",
        )
    ],
}


def schedule_rules() -> list[Validation]:
    """How the fields go together."""
    return [
        validation(
            "!has(self.interval) || !has(self.schedule)",
            "cannot be combined with an interval; give one of them",
            "schedule",
        ),
        validation(
            "!has(self.timeZone) || has(self.schedule)",
            "needs a schedule, whose zone it is; an interval has none",
            "timeZone",
        ),
        validation(
            _timeout_is_within_the_interval(),
            "must be at most the interval; shorten the timeout, or lengthen the interval",
            "timeout",
        ),
    ]


def _timeout_is_within_the_interval() -> str:
    """True as well when one of the two is no duration, which their own rules say."""
    texts_are_durations = " && ".join(
        f'(!has(self.{name}) || self.{name}.matches(r"{DURATION_PATTERN}"))' for name in ("interval", "timeout")
    )
    limit = f'duration(has(self.interval) ? self.interval : "{format_duration(DEFAULT_INTERVAL)}")'
    return f"!has(self.timeout) || !({texts_are_durations}) || duration(self.timeout) <= {limit}"
