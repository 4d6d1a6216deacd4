"""The command `tocsin kinds`: what each kind of check can be told, from its model."""

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from tocsin.domain.errors import TocsinError
from tocsin.domain.facts import Source
from tocsin.domain.targets import KINDS
from tocsin.domain.targets.model import is_set_by_operator, may_be_secret

_INDENT = "  "


class UnknownKindError(TocsinError):
    """Somebody asks for a kind that is not installed. The message names those that are."""


def describe_kinds() -> str:
    """A line for each kind."""
    width = max(map(len, KINDS))
    return "\n".join(f"{kind:{width}}  {_summary(model)}" for kind, model in KINDS.items())


def describe_kind(kind: str) -> str:
    """Every field of a kind, with those within it indented. Raises UnknownKindError."""
    if kind not in KINDS:
        raise UnknownKindError(f"there is no kind {kind}; there are {', '.join(KINDS)}")
    model = KINDS[kind]
    known = ", ".join(source for source in Source if source in model.known_sources())
    return "\n".join([f"{kind}: {_summary(model)}", f"Assertions can be about {known}.", "", *_fields(model, "")])


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _fields(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, info in model.model_fields.items():
        if not is_set_by_operator(info):
            yield f"{indent}{to_camel(name)}: {_notes(info)}"
            yield f"{indent}{_INDENT * 2}{info.description}"
            for inner in _models(info.annotation):
                yield from _fields(inner, indent + _INDENT * 2)


def _notes(info: FieldInfo) -> str:
    need = "required" if info.is_required() else f"default {_shown(info.default)}"
    return ", ".join([_type(info.annotation), need, *(["may be a secret"] if may_be_secret(info) else [])])


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return "none" if value in (None, ()) else str(value).removesuffix(",)").strip("()")


def _type(annotation: Any) -> str:  # noqa: ANN401 - types of types
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    origin = get_origin(annotation)
    if origin in (Annotated, Union, UnionType):
        return _type(arguments[0])
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if issubclass(annotation, Enum):
        return " | ".join(str(member.value) for member in annotation)
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(annotation, "fields")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
