"""What clients give to make and change checks."""

from typing import Any, cast

import strawberry
from strawberry import UNSET

from graphql_api.checks.targets import TargetInput, given_target, secrets_of_target
from tocsin.domain.definitions import (
    DEFAULT_FAILURE_THRESHOLD,
    DEFAULT_INTERVAL,
    DEFAULT_SUCCESS_THRESHOLD,
    DEFAULT_TIMEOUT,
    MAXIMUM_FAILURE_WINDOW,
    MAXIMUM_THRESHOLD,
    MAXIMUM_TIMEOUT,
    MINIMUM_TIMEOUT,
    CronFields,
    DefinitionFields,
)
from tocsin.domain.locations import DEFAULT_LOCATION, DEFAULT_QUORUM, MAXIMUM_LOCATIONS
from tocsin.domain.retries import (
    DEFAULT_RETRY_DELAY,
    MAXIMUM_BACKOFF,
    MAXIMUM_RETRIES,
    MAXIMUM_RETRY_DELAY,
    NO_RETRIES,
    RetriesFields,
)
from tocsin.domain.targets.heartbeat import HEARTBEAT_INTERVAL, HEARTBEAT_THRESHOLD
from tocsin.domain.texts import MAXIMUM_DESCRIPTION_LENGTH, MAXIMUM_KEY_LENGTH, MAXIMUM_LABELS, MAXIMUM_NAME_LENGTH

_NAME = f"Name, for people: 1 to {MAXIMUM_NAME_LENGTH} characters."
_DESCRIPTION = f"What it is for, at most {MAXIMUM_DESCRIPTION_LENGTH} characters."
_INTERVAL = "How often it is due, in whole seconds from 1 to 86400; not together with `schedule`."
_SCHEDULE = "When it is due, as a cron expression; not together with `intervalSeconds`."
_TIMEOUT = (
    f"How long one probe may take, in seconds from {MINIMUM_TIMEOUT.total_seconds():g} to "
    f"{MAXIMUM_TIMEOUT.total_seconds():g}, at most the interval."
)
_FAILURES = f"How many slots must fail in a row for DOWN: 1 to {MAXIMUM_THRESHOLD}."
_SUCCESSES = f"How many slots must succeed in a row for the way back: 1 to {MAXIMUM_THRESHOLD}."
_OR_OF_HEARTBEATS = f", or {HEARTBEAT_THRESHOLD} of a heartbeat"
_RETRIES = (
    "How a run goes on when it fails. All attempts and the delays between them must fit into the interval, and into "
    f"{MAXIMUM_TIMEOUT.total_seconds():g} seconds."
)
_FAILURE_WINDOW = (
    "Among how many of the last slots the failing ones may lie: from the failure threshold, which means in a row, to "
    f"{MAXIMUM_FAILURE_WINDOW}."
)
_LOCATIONS = f"Names of the locations that probe it, 1 to {MAXIMUM_LOCATIONS}; `locations` lists them."
_QUORUM = "How many locations must be DOWN for it to be: ANY, MAJORITY, ALL of those that have decided, or a number."
_LABELS = f"Labels by which it is found, at most {MAXIMUM_LABELS}."
_LEFT = " What is absent or null stays as it is."
IDEMPOTENCY_KEY = (
    f"Any text of 1 to {MAXIMUM_KEY_LENGTH} characters: a request with the same key and the same input finds what the "
    "first one made."
)


@strawberry.input(description="A name with a value, by which checks are found.")
class LabelInput:
    """One entry of the column `labels`."""

    name: str = strawberry.field(description="Up to 63 letters, digits and -_. after an optional prefix such as a.b/.")
    value: str = strawberry.field(description="Up to 63 letters, digits and -_. or nothing.", default="")


@strawberry.input(description="When a check is due, as a cron expression.")
class ScheduleInput:
    """The columns `cron` and `time_zone`."""

    cron: str = strawberry.field(description="Minute, hour, day of month, month, day of week, as in */5 * * * *.")
    time_zone: str = strawberry.field(description="Zone of the IANA database, such as Europe/Berlin.", default="UTC")

    def fields(self) -> CronFields:
        return {"cron": self.cron, "time_zone": self.time_zone}


@strawberry.input(description="Attempts that follow a failing one within the same run.")
class RetriesInput:
    """The columns `retry_*`."""

    attempts: int = strawberry.field(description=f"How many more there are at most: 0 to {MAXIMUM_RETRIES}.")
    delay_seconds: float = strawberry.field(
        description=f"How long to wait before the first: 0 to {MAXIMUM_RETRY_DELAY.total_seconds():g} seconds.",
        default=DEFAULT_RETRY_DELAY.total_seconds(),
    )
    backoff: float = strawberry.field(
        description=f"How many times longer to wait before each next one: 1 to {MAXIMUM_BACKOFF:g}.",
        default=NO_RETRIES.backoff,
    )

    def fields(self) -> RetriesFields:
        return {"attempts": self.attempts, "delay_seconds": self.delay_seconds, "backoff": self.backoff}


@strawberry.input(description="A new check.")
class CreateCheckInput:
    """The fields of a definition, and where it belongs."""

    site_id: strawberry.ID = strawberry.field(description="The site that it belongs to.")
    name: str = strawberry.field(description=_NAME)
    target: TargetInput = strawberry.field(description="What to probe.")
    interval_seconds: int | None = strawberry.field(
        description=f"{_INTERVAL} {DEFAULT_INTERVAL.total_seconds():g} when neither is given, or "
        f"{HEARTBEAT_INTERVAL.total_seconds():g} of a heartbeat.",
        default=UNSET,
    )
    schedule: ScheduleInput | None = strawberry.field(description=_SCHEDULE, default=UNSET)
    timeout_seconds: float | None = strawberry.field(
        description=f"{_TIMEOUT} When absent: {DEFAULT_TIMEOUT.total_seconds():g}, or less where that is needed for "
        "all attempts and the delays between them to fit into the interval.",
        default=UNSET,
    )
    retries: RetriesInput | None = strawberry.field(description=f"{_RETRIES} When absent: none.", default=UNSET)
    failure_threshold: int | None = strawberry.field(
        description=f"{_FAILURES} When absent: {DEFAULT_FAILURE_THRESHOLD}{_OR_OF_HEARTBEATS}.", default=UNSET
    )
    success_threshold: int | None = strawberry.field(
        description=f"{_SUCCESSES} When absent: {DEFAULT_SUCCESS_THRESHOLD}{_OR_OF_HEARTBEATS}.", default=UNSET
    )
    failure_window: int | None = strawberry.field(
        description=f"{_FAILURE_WINDOW} When absent: in a row.", default=UNSET
    )
    locations: list[str] | None = strawberry.field(
        description=f"{_LOCATIONS} When absent: {DEFAULT_LOCATION}.", default=UNSET
    )
    quorum: str | None = strawberry.field(description=f"{_QUORUM} When absent: {DEFAULT_QUORUM}.", default=UNSET)
    labels: list[LabelInput] | None = strawberry.field(description=_LABELS, default=UNSET)
    description: str | None = strawberry.field(description=_DESCRIPTION, default=UNSET)
    paused: bool = strawberry.field(description="Whether it starts paused.", default=False)
    idempotency_key: str | None = strawberry.field(description=IDEMPOTENCY_KEY, default=UNSET)


@strawberry.input(description=f"Changes to a check.{_LEFT}")
class UpdateCheckInput:
    """The same, all optional."""

    site_id: strawberry.ID | None = strawberry.field(description="The site to move it to.", default=UNSET)
    name: str | None = strawberry.field(description=_NAME, default=UNSET)
    target: TargetInput | None = strawberry.field(
        description="What to probe, in place of the whole target; the status starts at PENDING again.", default=UNSET
    )
    interval_seconds: int | None = strawberry.field(description=_INTERVAL, default=UNSET)
    schedule: ScheduleInput | None = strawberry.field(description=_SCHEDULE, default=UNSET)
    timeout_seconds: float | None = strawberry.field(
        description=f"{_TIMEOUT} It does not follow the interval: send a shorter one along with a shorter interval.",
        default=UNSET,
    )
    retries: RetriesInput | None = strawberry.field(description=f"{_RETRIES} Of 0 attempts: none.", default=UNSET)
    failure_threshold: int | None = strawberry.field(description=_FAILURES, default=UNSET)
    success_threshold: int | None = strawberry.field(description=_SUCCESSES, default=UNSET)
    failure_window: int | None = strawberry.field(description=_FAILURE_WINDOW, default=UNSET)
    locations: list[str] | None = strawberry.field(
        description=f"{_LOCATIONS[:-1]}, in place of all; the status goes on.", default=UNSET
    )
    quorum: str | None = strawberry.field(description=_QUORUM, default=UNSET)
    labels: list[LabelInput] | None = strawberry.field(
        description=f"{_LABELS[:-1]}, in place of all labels.", default=UNSET
    )
    description: str | None = strawberry.field(description=_DESCRIPTION, default=UNSET)


def fields_given(given: CreateCheckInput | UpdateCheckInput) -> DefinitionFields:
    """The fields of a definition, without those that are absent or null."""
    fields: dict[str, Any] = {
        "name": given.name,
        "description": given.description,
        "interval_seconds": given.interval_seconds,
        "timeout_seconds": given.timeout_seconds,
        "retries": given.retries.fields() if given.retries else None,
        "failure_threshold": given.failure_threshold,
        "success_threshold": given.success_threshold,
        "failure_window": given.failure_window,
        "locations": given.locations,
        "quorum": given.quorum,
        "target": given_target(given.target) if given.target else None,
        "secrets": secrets_of_target(given.target) if given.target else None,
        "schedule": given.schedule.fields() if given.schedule else None,
        "labels": None if not is_given(given.labels) else [(label.name, label.value) for label in given.labels or ()],
    }
    return cast("DefinitionFields", {name: value for name, value in fields.items() if is_given(value)})


def is_given(value: object) -> bool:
    return value is not None and value is not UNSET
