"""What the spec of a HealthCheck wants, in the words of Tocsin's definitions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, get_args

from pydantic import BaseModel

from healthcheck_operator.durations import parse_duration
from healthcheck_operator.names import property_name, secret_sibling
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import FieldProblem, InvalidInputError
from tocsin.domain.retries import RetriesFields
from tocsin.domain.targets import KINDS
from tocsin.domain.targets.model import Target, may_be_secret

_SECOND: Final = timedelta(seconds=1)
# Fields of a kind that name another object instead of an address.
OBJECT_REFERENCES: Final = ("serviceRef", "ingressRef", "httpRouteRef")
# Where the fields of a definition stand in a spec.
_PATHS: Final[Mapping[tuple[str | int, ...], tuple[str, ...]]] = {
    ("interval_seconds",): ("interval",),
    ("timeout_seconds",): ("timeout",),
    ("retries", "delay_seconds"): ("retries", "delay"),
    ("failure_threshold",): ("thresholds", "failure"),
    ("success_threshold",): ("thresholds", "success"),
    ("failure_window",): ("thresholds", "window"),
    ("schedule", "cron"): ("schedule",),
    ("schedule", "time_zone"): ("timeZone",),
}


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """Another object of the same namespace that says where the target is: the field that names it, and its content."""

    field: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a spec wants. The target's fields lack what `reference` is still to tell."""

    site: str
    definition: DefinitionFields
    kind: str
    target: dict[str, Any]
    reference: ObjectReference | None
    suspend: bool
    deletion_policy: str


def read_spec(spec: Mapping[str, Any], namespace: str, name: str) -> Wish:
    """Raises InvalidInputError, with the paths of the spec's own fields."""
    problems: list[FieldProblem] = []
    kind = _read_kind(spec, problems)
    definition = _read_definition(spec, name, problems)
    if problems:
        raise InvalidInputError(problems)
    return Wish(
        site=spec.get("site") or namespace,
        definition=definition,
        kind=kind,
        target=target_fields(KINDS[kind], {**spec[kind], **_shared_fields(spec)}),
        reference=_read_reference(spec[kind]),
        suspend=bool(spec.get("suspend")),
        deletion_policy=spec.get("deletionPolicy") or "Delete",
    )


def _shared_fields(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What targets of all kinds have, which stands beside the kind."""
    return {name: spec[name] for name in Target.model_fields if name in spec}


def _read_kind(spec: Mapping[str, Any], problems: list[FieldProblem]) -> str:
    given = [kind for kind in KINDS if spec.get(property_name(kind)) is not None]
    if len(given) != 1:
        problems.append(FieldProblem((), f"must have exactly one of {', '.join(KINDS)}"))
        return ""
    return given[0]


def _read_definition(spec: Mapping[str, Any], name: str, problems: list[FieldProblem]) -> DefinitionFields:
    interval = _read_duration(spec, "interval", problems)
    timeout = _read_duration(spec, "timeout", problems)
    if interval is not None and interval % _SECOND:
        problems.append(FieldProblem(("interval",), "must be whole seconds"))
    thresholds = spec.get("thresholds") or {}
    fields: DefinitionFields = {
        "name": name,
        "description": spec.get("description"),
        "interval_seconds": None if interval is None else interval // _SECOND,
        "timeout_seconds": None if timeout is None else timeout / _SECOND,
        "retries": _read_retries(spec.get("retries"), problems),
        "failure_threshold": thresholds.get("failure"),
        "success_threshold": thresholds.get("success"),
        "failure_window": thresholds.get("window"),
        "locations": spec.get("locations"),
        "quorum": None if spec.get("quorum") is None else str(spec["quorum"]),
        "labels": list((spec.get("labels") or {}).items()),
    }
    if cron := spec.get("schedule"):
        fields["schedule"] = {"cron": cron, "time_zone": spec.get("timeZone") or "UTC"}
    return fields


def _read_retries(given: Mapping[str, Any] | None, problems: list[FieldProblem]) -> RetriesFields | None:
    if given is None:
        return None
    delay = _read_duration(given, "delay", problems, within=("retries",))
    return {
        "attempts": given["attempts"],
        "delay_seconds": None if delay is None else delay / _SECOND,
        "backoff": given.get("backoff"),
    }


def _read_duration(
    given: Mapping[str, Any], field: str, problems: list[FieldProblem], within: tuple[str, ...] = ()
) -> timedelta | None:
    if (text := given.get(field)) is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as exc:
        problems.append(FieldProblem((*within, field), str(exc)))
        return None


def _read_reference(target: Mapping[str, Any]) -> ObjectReference | None:
    return next((ObjectReference(field, target[field]) for field in OBJECT_REFERENCES if field in target), None)


def target_fields(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as the model names them, with `{"secret": "<name>/<key>"}` where a Secret is referred to."""
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        camel = property_name(name)
        if may_be_secret(info) and (source := given.get(secret_sibling(name))):
            fields[name] = {"secret": "{name}/{key}".format(**source["secretKeyRef"])}
        elif camel in given:
            fields[name] = _plain(info.annotation, given[camel])
    return fields


def _plain(annotation: Any, value: Any) -> Any:  # noqa: ANN401 - types of types, and JSON
    if isinstance(value, list):
        return [_plain(annotation, item) for item in value]
    model = _model_in(annotation)
    return target_fields(model, value) if model is not None and isinstance(value, Mapping) else value


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - types of types
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _model_in(argument))), None)


def spec_path(problem: FieldProblem) -> str:
    """Where in the object the problem is, as Kubernetes writes it: `spec.http.headers[0].name`."""
    path = _target_path(problem.path) if problem.path[:1] == ("target",) else _PATHS.get(problem.path, problem.path)
    return "spec" + "".join(f"[{step}]" if isinstance(step, int) else f".{property_name(step)}" for step in path)


def _target_path(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Without `target`; and where all kinds have the field, without the kind."""
    return path[2:] if path[2:3] and path[2] in Target.model_fields else path[1:]
