"""Secrets in targets, by reference: where one may stand, which are named, and what stands there otherwise.

In the stored fields of a target, a field marked as `MayBeSecret` may hold a reference instead of its text: of an
organization's secret `{"secret": "<name>"}`, of one in Kubernetes `{"secret": "<name>/<key>"}`. The value is stored
elsewhere, encrypted, and known while a probe runs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from tocsin.domain.targets.model import may_be_secret

Path = tuple[str | int, ...]
"""The names of fields and the indexes of lists that lead to a field."""
_Pattern = tuple[str | None, ...]  # the same for all items of a list, which None stands for

# Valid in every field that may be a secret, so that the other fields can be judged without the value.
PLACEHOLDER: Final = "placeholder"
_SHORTEST_PLAIN: Final = 6
_LONGEST_PLAIN: Final = 1024
# Headers that name no secret, and whose values are in many an answer too.
_HARMLESS_NAMES: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "origin", "user-agent"}
)
MAXIMUM_SECRET_NAME_LENGTH: Final = 100
# Of the field that takes the name of a secret in place of its value.
NAME_SUFFIX: Final = "_secret"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[-._A-Za-z0-9]{0,98}[A-Za-z0-9])?")
_REFERENCE: Final = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?/[-._a-zA-Z0-9]{1,253}")


def validate_secret_name(name: str) -> str:
    """Return the name of an organization's secret unchanged. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"must be 1 to {MAXIMUM_SECRET_NAME_LENGTH} letters, digits and -_. that begin and end with a letter or "
            "digit, as in api-token"
        )
    return name


def is_secret_name(reference: str) -> bool:
    """Whether a reference is to an organization's secret, whose names hold no slash, and not to one in Kubernetes."""
    return "/" not in reference


def name_field(path: Path) -> Path:
    """Where the name of a secret is given whose value stands at this path."""
    return (*path[:-1], f"{path[-1]}{NAME_SUFFIX}")


def validate_reference(reference: str) -> str:
    """Return the reference unchanged. Raises ValueError for what names neither a secret nor a key of a Secret."""
    if is_secret_name(reference):
        return validate_secret_name(reference)
    if not _REFERENCE.fullmatch(reference):
        raise ValueError("must name a Secret and its key, as in api-token/value")
    return reference


def find_references(model: type[BaseModel], fields: Mapping[str, Any]) -> dict[Path, str]:
    """The references to secrets among the fields of a target, by where they stand; only where secrets may stand."""
    found = (each for pattern in _patterns(model) for each in _find(fields, pattern, ()))
    return {path: value["secret"] for path, value in found if _is_reference(value)}


def may_hold_secret(model: type[BaseModel], path: Path) -> bool:
    """Whether a secret may be named in place of what stands where the path leads."""
    return tuple(None if isinstance(step, int) else step for step in path) in _patterns(model)


def replaced(fields: Mapping[str, Any], values: Mapping[Path, Any]) -> dict[str, Any]:
    """A copy of the fields that holds these values where their paths lead."""
    copied: dict[str, Any] = deepcopy(dict(fields))
    for path, value in values.items():
        holder: Any = copied
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = value
    return copied


def value_at(fields: Mapping[str, Any], path: Path) -> object:
    """What stands where the path leads; None where nothing does."""
    value: Any = fields
    for step in path[:-1]:
        value = value[step]
    return value.get(path[-1])


def plain_secrets(model: type[BaseModel], fields: Mapping[str, Any]) -> frozenset[str]:
    """The texts that stand where secrets may, of a length by which they can be told from other texts."""
    found = (each for pattern in _patterns(model) for each in _find(fields, pattern, ()))
    return frozenset(
        value
        for path, value in found
        if isinstance(value, str)
        and _SHORTEST_PLAIN <= len(value) <= _LONGEST_PLAIN
        and str(value_at(fields, (*path[:-1], "name"))).lower() not in _HARMLESS_NAMES
    )


def with_references(fields: Mapping[str, Any], references: Mapping[Path, str]) -> dict[str, Any]:
    """A copy of the fields as they are stored: with references, and so without the values."""
    return replaced(fields, {path: {"secret": reference} for path, reference in references.items()})


def _is_reference(value: object) -> bool:
    return isinstance(value, Mapping) and list(value) == ["secret"] and isinstance(value["secret"], str)


@cache
def _patterns(model: type[BaseModel]) -> tuple[_Pattern, ...]:
    """Where secrets may stand in the fields of a model."""
    return tuple(
        (name, *rest)
        for name, info in model.model_fields.items()
        for rest in ([()] if may_be_secret(info) else _patterns_inside(info.annotation))
    )


def _patterns_inside(annotation: Any) -> list[_Pattern]:  # noqa: ANN401 - types of types
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(_patterns(annotation))
    each: _Pattern = (None,) if get_origin(annotation) is tuple else ()
    return [(*each, *rest) for argument in get_args(annotation) for rest in _patterns_inside(argument)]


def _find(value: object, pattern: _Pattern, path: Path) -> Iterator[tuple[Path, Any]]:
    """What stands where the pattern leads. What has another shape is passed over: its model refuses it."""
    if not pattern:
        yield path, value
    elif (step := pattern[0]) is None:
        for index, item in enumerate(value if isinstance(value, Sequence) else ()):
            yield from _find(item, pattern[1:], (*path, index))
    elif isinstance(value, Mapping) and step in value:
        yield from _find(value[step], pattern[1:], (*path, step))
