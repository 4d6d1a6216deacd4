"""What a check is: every field validated, every wrong one named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypedDict, TypeVar

from pydantic import ValidationError

from tocsin.domain.errors import FieldProblem
from tocsin.domain.locations import (
    DEFAULT_LOCATION,
    DEFAULT_QUORUM,
    MAXIMUM_LOCATIONS,
    read_quorum,
    validate_location,
)
from tocsin.domain.retries import NO_RETRIES, TOO_LONG, Retries, RetriesFields, read_retries
from tocsin.domain.schedule import MILLISECOND, Cron, validate_cron, validate_interval, validate_time_zone
from tocsin.domain.targets import KINDS, parse_target, target_problems
from tocsin.domain.targets.model import Target
from tocsin.domain.targets.secrets import (
    PLACEHOLDER,
    Path,
    find_references,
    name_field,
    replaced,
    validate_reference,
    validate_secret_name,
    value_at,
    with_references,
)
from tocsin.domain.texts import read_labels, validate_description, validate_name

DEFAULT_INTERVAL: Final = timedelta(seconds=60)
DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
DEFAULT_FAILURE_THRESHOLD: Final = 3
DEFAULT_SUCCESS_THRESHOLD: Final = 2
MAXIMUM_THRESHOLD: Final = 100
MAXIMUM_FAILURE_WINDOW: Final = 60
MINIMUM_TIMEOUT: Final = timedelta(milliseconds=100)
# What takes longer holds up the fold of its check: a slot is waited for until its timeout has passed.
MAXIMUM_TIMEOUT: Final = timedelta(seconds=60)
# A header or status each may be wrong; more than this tells nobody more.
MAXIMUM_PROBLEMS: Final = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Definition:
    """What a check is, without what it is part of. Where `references` name secrets, the target has placeholders."""

    name: str
    description: str
    target: Target
    references: Mapping[Path, str]
    schedule: timedelta | Cron
    timeout: timedelta
    retries: Retries
    failure_threshold: int
    success_threshold: int
    failure_window: int | None
    locations: tuple[str, ...]
    quorum: str
    labels: Mapping[str, str]

    def stored_target(self) -> dict[str, Any]:
        """The fields of the target as JSON, with references where they stood."""
        return with_references(self.target.model_dump(mode="json"), self.references)


class CronFields(TypedDict):
    """A cron expression and its zone, as given."""

    cron: str
    time_zone: str


class DefinitionFields(TypedDict, total=False):
    """A check's fields as given. What is absent or None has a default, except the name and the target."""

    name: str
    description: str | None
    target: tuple[str, Mapping[str, Any]]  # kind, fields of its model
    # Names of the organization's secrets, by where in the target their values stand.
    secrets: Sequence[tuple[Path, str]]
    interval_seconds: int | None
    schedule: CronFields | None
    timeout_seconds: float | None
    retries: RetriesFields | None
    failure_threshold: int | None
    success_threshold: int | None
    failure_window: int | None
    locations: Sequence[str] | None
    quorum: str | None
    labels: Sequence[tuple[str, str]] | None


def define(fields: DefinitionFields, problems: list[FieldProblem]) -> Definition | None:
    """Validate all fields; add what is wrong to the problems, and return None if there are any now."""
    name = read_field(("name",), validate_name, fields["name"], problems)
    description = read_field(("description",), validate_description, fields.get("description") or "", problems)
    given = _with_named_secrets(fields["target"], fields.get("secrets") or (), problems)
    references = _find_references(given)
    target = _read_target(given, references, problems)
    schedule = _read_schedule(fields, _default_interval(target), problems)
    retries = read_retries(fields.get("retries"), problems) or NO_RETRIES
    timeout = _read_timeout(fields.get("timeout_seconds"), schedule, retries, problems)
    failure = _read_threshold("failure_threshold", fields.get("failure_threshold"), problems)
    success = _read_threshold("success_threshold", fields.get("success_threshold"), problems)
    default = (target and target.default_failure_threshold) or DEFAULT_FAILURE_THRESHOLD
    window = _read_failure_window(fields.get("failure_window"), failure, default, problems)
    locations = _read_locations(fields.get("locations"), problems)
    quorum = _read_quorum(fields.get("quorum"), locations, problems)
    labels = read_labels(fields.get("labels") or (), problems)
    if problems or name is None or description is None or target is None or schedule is None or timeout is None:
        return None
    return Definition(
        name=name,
        description=description,
        target=target,
        references=references,
        schedule=schedule,
        timeout=timeout,
        retries=retries,
        failure_threshold=failure or default,
        success_threshold=success or target.default_success_threshold or DEFAULT_SUCCESS_THRESHOLD,
        failure_window=window,
        locations=locations,
        quorum=quorum,
        labels=labels,
    )


def read_field(
    path: tuple[str | int, ...], validate: Callable[[T], T], value: T, problems: list[FieldProblem]
) -> T | None:
    """What the validation returns, or None and one problem more."""
    try:
        return validate(value)
    except ValueError as exc:
        problems.append(FieldProblem(path, str(exc)))
        return None


def _with_named_secrets(
    given: tuple[str, Mapping[str, Any]], names: Sequence[tuple[Path, str]], problems: list[FieldProblem]
) -> tuple[str, Mapping[str, Any]]:
    """The target with references where secrets are named; the place of a wrong name is filled, to be told of once."""
    kind, fields = given
    references: dict[Path, Any] = {}
    for path, name in names:
        field = ("target", kind, *name_field(path))
        valid = read_field(field, validate_secret_name, name, problems)
        references[path] = PLACEHOLDER if valid is None else {"secret": valid}
        if value_at(fields, path) is not None:
            problems.append(FieldProblem(field, "cannot be combined with the value itself; keep one of them"))
    return kind, replaced(fields, references) if references else fields


def _find_references(given: tuple[str, Mapping[str, Any]]) -> dict[Path, str]:
    kind, fields = given
    return find_references(KINDS[kind], fields) if kind in KINDS else {}


def _read_target(
    given: tuple[str, Mapping[str, Any]], references: Mapping[Path, str], problems: list[FieldProblem]
) -> Target | None:
    kind, fields = given
    if kind not in KINDS:
        problems.append(FieldProblem(("target",), f"must be one of {', '.join(KINDS)}"))
        return None
    for path, reference in references.items():
        read_field(("target", kind, *path), validate_reference, reference, problems)
    try:
        return parse_target(kind, replaced(fields, dict.fromkeys(references, PLACEHOLDER)))
    except ValidationError as exc:
        problems += target_problems(kind, exc)[:MAXIMUM_PROBLEMS]
        return None


def _default_interval(target: Target | None) -> timedelta:
    return (target.default_interval if target else None) or DEFAULT_INTERVAL


def _read_schedule(
    fields: DefinitionFields, default: timedelta, problems: list[FieldProblem]
) -> timedelta | Cron | None:
    seconds, cron = fields.get("interval_seconds"), fields.get("schedule")
    if seconds is not None and cron is not None:
        problems.append(FieldProblem(("schedule",), "cannot be combined with an interval; give one of them"))
        return None
    if cron is not None:
        return _read_cron(cron, problems)
    every = default if seconds is None else timedelta(seconds=seconds)
    return read_field(("interval_seconds",), validate_interval, every, problems)


def _read_cron(given: CronFields, problems: list[FieldProblem]) -> Cron | None:
    expression = read_field(("schedule", "cron"), validate_cron, given["cron"], problems)
    time_zone = read_field(("schedule", "time_zone"), validate_time_zone, given["time_zone"], problems)
    return None if expression is None or time_zone is None else Cron(expression, time_zone)


def longest_timeout(interval: timedelta | None) -> timedelta:
    """A timeout never exceeds the interval; without one, a cron expression is due at most every minute."""
    return MAXIMUM_TIMEOUT if interval is None else min(interval, MAXIMUM_TIMEOUT)


def _read_timeout(
    seconds: float | None, schedule: timedelta | Cron | None, retries: Retries, problems: list[FieldProblem]
) -> timedelta | None:
    longest = longest_timeout(schedule if isinstance(schedule, timedelta) else None)
    if seconds is None:
        return _default_timeout(longest, retries, problems)
    if not MINIMUM_TIMEOUT.total_seconds() <= seconds <= longest.total_seconds():
        limits = f"from {MINIMUM_TIMEOUT.total_seconds():g} to {longest.total_seconds():g}"
        problems.append(FieldProblem(("timeout_seconds",), f"must be {limits}: at most the interval"))
        return None
    timeout = timedelta(milliseconds=round(seconds * 1000))
    if retries.attempts and retries.longest_run(timeout) > longest:
        problems.append(FieldProblem(("retries",), TOO_LONG))
    return timeout


def _default_timeout(longest: timedelta, retries: Retries, problems: list[FieldProblem]) -> timedelta:
    each = (longest - retries.delays) / (retries.attempts + 1)
    if each < MINIMUM_TIMEOUT:
        problems.append(FieldProblem(("retries",), TOO_LONG))
    return min(DEFAULT_TIMEOUT, each // MILLISECOND * MILLISECOND)


def _read_threshold(name: str, given: int | None, problems: list[FieldProblem]) -> int | None:
    if given is not None and not 1 <= given <= MAXIMUM_THRESHOLD:
        problems.append(FieldProblem((name,), f"must be from 1 to {MAXIMUM_THRESHOLD}"))
    return given


def _read_failure_window(
    given: int | None, failure: int | None, default: int, problems: list[FieldProblem]
) -> int | None:
    if given is not None and not (failure or default) <= given <= MAXIMUM_FAILURE_WINDOW:
        threshold = f"the failure threshold, {failure or f'which is {default} by default'}"
        limits = f"from {threshold}, to {MAXIMUM_FAILURE_WINDOW}"
        problems.append(FieldProblem(("failure_window",), f"must be {limits}: it has room for the failing slots"))
    return given


def _read_locations(given: Sequence[str] | None, problems: list[FieldProblem]) -> tuple[str, ...]:
    names = (DEFAULT_LOCATION,) if given is None else tuple(given)
    if not 1 <= len(names) <= MAXIMUM_LOCATIONS:
        problems.append(FieldProblem(("locations",), f"must be 1 to {MAXIMUM_LOCATIONS} locations"))
    for index, name in enumerate(names[:MAXIMUM_LOCATIONS]):
        read_field(("locations", index), validate_location, name, problems)
        if name in names[:index]:
            problems.append(FieldProblem(("locations", index), "stands there twice; leave it out"))
    return names


def _read_quorum(given: str | None, locations: Sequence[str], problems: list[FieldProblem]) -> str:
    text = DEFAULT_QUORUM if given is None else given
    quorum = read_field(("quorum",), lambda _: read_quorum(text), None, problems)
    if isinstance(quorum, int) and quorum > len(locations):
        problems.append(FieldProblem(("quorum",), "must be at most the number of locations"))
    return str(text if quorum is None else quorum)
