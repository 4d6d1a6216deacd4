"""How a HealthCheck's run goes on when it fails."""

from typing import Final

from healthcheck_operator.durations import DURATION_PATTERN, MAXIMUM_DURATION_LENGTH, format_duration
from healthcheck_operator.rules import Validation, validation
from healthcheck_operator.schema_parts import RULES, Schema, object_schema
from tocsin.domain.definitions import MAXIMUM_TIMEOUT, MINIMUM_TIMEOUT
from tocsin.domain.retries import (
    DEFAULT_RETRY_DELAY,
    MAXIMUM_BACKOFF,
    MAXIMUM_RETRIES,
    MAXIMUM_RETRY_DELAY,
    NO_RETRIES,
    TOO_LONG,
)

_DELAY: Final[Schema] = {
    "type": "string",
    "description": f"How long to wait before the first, up to {format_duration(MAXIMUM_RETRY_DELAY)}. Default: "
    f"{format_duration(DEFAULT_RETRY_DELAY)}.",
    "maxLength": MAXIMUM_DURATION_LENGTH,
    "pattern": DURATION_PATTERN,
    RULES: [
        validation(
            f'self.matches(r"{DURATION_PATTERN}") && '
            f'duration(self) <= duration("{format_duration(MAXIMUM_RETRY_DELAY)}")',
            f"must be at most {format_duration(MAXIMUM_RETRY_DELAY)}, such as 500ms or 2s",
        )
    ],
}
RETRIES: Final = object_schema(
    {
        "attempts": {
            "type": "integer",
            "description": "How many more attempts there are at most.",
            "format": "int32",
            "minimum": 0,
            "maximum": MAXIMUM_RETRIES,
        },
        "delay": _DELAY,
        "backoff": {
            "type": "number",
            "description": "How many times longer to wait before each next one. Default: 1.",
            "minimum": NO_RETRIES.backoff,
            "maximum": MAXIMUM_BACKOFF,
        },
    },
    "Attempts that follow a failing one within the same run. With the timeout of each and the delays between them they "
    "must fit into the interval, and into 60s.",
    ("attempts",),
)


def retries_rules() -> list[Validation]:
    """How they go together with the interval and the timeout."""
    return [validation(_fit_into_the_interval(), TOO_LONG, "retries")]


def _fit_into_the_interval() -> str:
    """True as well where a text is no duration, which its own rule says."""
    texts = ("self.interval", "self.timeout", "self.retries.delay")
    are_durations = " && ".join(f'(!has({text}) || {text}.matches(r"{DURATION_PATTERN}"))' for text in texts)
    longest = format_duration(MAXIMUM_TIMEOUT)
    timeout, interval = (
        _milliseconds("self.timeout", format_duration(MINIMUM_TIMEOUT)),
        _milliseconds("self.interval", longest),
    )
    delays = f"{_milliseconds('self.retries.delay', format_duration(DEFAULT_RETRY_DELAY))} * {_backoffs(0)}"
    run = f"{timeout} * double(self.retries.attempts + 1) + {delays}"
    limit = f"({interval} < {_constant(longest)} ? {interval} : {_constant(longest)})"
    return f"!has(self.retries) || !({are_durations}) || {run} <= {limit}"


def _milliseconds(text: str, default: str) -> str:
    return f'double(duration(has({text}) ? {text} : "{default}").getMilliseconds())'


def _constant(duration: str) -> str:
    return f'double(duration("{duration}").getMilliseconds())'


def _backoffs(retry: int) -> str:
    """The delays before this retry and those after it, in delays before this one."""
    if retry == MAXIMUM_RETRIES:
        return "0.0"
    backoff = "(has(self.retries.backoff) ? self.retries.backoff : 1.0)"
    return f"(self.retries.attempts > {retry} ? 1.0 + {backoff} * {_backoffs(retry + 1)} : 0.0)"
