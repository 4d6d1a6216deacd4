"""The GraphQL types of targets, made from the domain's models: a kind of check is described once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial, reduce
from operator import or_
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union, get_args, get_origin

import strawberry
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from graphql_api.checks.secret_names import (
    name_input_field,
    name_output_field,
    name_shown,
    names_secret,
    secrets_named,
)
from tocsin.domain.targets import KINDS
from tocsin.domain.targets.model import may_be_secret
from tocsin.domain.targets.secrets import NAME_SUFFIX, Path
from tocsin.models import TokenPermission
from tocsin.services.accounts import Principal

_MASK = "********"


@cache
def _graphql_type(model: type[BaseModel], *, is_input: bool) -> type:
    """An input or output type with the fields, defaults and descriptions of a model."""
    name = model.__name__ + ("Input" if is_input else "")
    is_one_of = is_input and set(getattr(model, "one_of", ())) == set(model.model_fields)
    members = list(_members(model, is_input=is_input, is_one_of=is_one_of))
    namespace: dict[str, Any] = {
        "__annotations__": {field: annotation for field, annotation, _ in members},
        "__doc__": model.__doc__,
        "__module__": __name__,
        **{field: definition for field, _, definition in members},
    }
    decorate = partial(strawberry.input, one_of=is_one_of) if is_input else strawberry.type
    return decorate(type(name, (), namespace), description=model.__doc__)


def _members(model: type[BaseModel], *, is_input: bool, is_one_of: bool) -> Iterator[tuple[str, Any, Any]]:
    """Name, annotation and Strawberry's field; beside what may be a secret, what names the secret instead."""
    for name, info in model.model_fields.items():
        annotation = _annotation(info.annotation, is_input=is_input)
        secret = may_be_secret(info)
        if is_one_of or (is_input and secret):
            yield name, annotation | None, _one_of_field(info)
        else:
            yield name, annotation, _field(info, is_input=is_input)
        if secret:
            yield f"{name}{NAME_SUFFIX}", str | None, name_input_field(name) if is_input else name_output_field(name)


def _annotation(annotation: Any, *, is_input: bool) -> Any:  # noqa: ANN401 - types of types
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotation(arguments[0], is_input=is_input)
    if origin in (Union, UnionType):
        return reduce(or_, (_annotation(argument, is_input=is_input) for argument in arguments))
    if origin is tuple:
        return list[_annotation(arguments[0], is_input=is_input)]  # type: ignore[misc]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _graphql_type(annotation, is_input=is_input)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return strawberry.enum(annotation, description=annotation.__doc__)
    return annotation


def _field(info: FieldInfo, *, is_input: bool) -> Any:  # noqa: ANN401 - Strawberry's own field
    if not is_input or info.is_required():
        return strawberry.field(description=info.description)
    if isinstance(info.default, tuple):
        return strawberry.field(description=info.description, default_factory=lambda: list(info.default))
    return strawberry.field(description=info.description, default=info.default)


def _one_of_field(info: FieldInfo) -> Any:  # noqa: ANN401 - as above
    return strawberry.field(description=info.description, default=strawberry.UNSET)


def _target_input() -> type:
    models = {kind: model for kind, model in KINDS.items() if not model.for_kubernetes_only}
    namespace: dict[str, Any] = {
        "__annotations__": {kind: _graphql_type(model, is_input=True) | None for kind, model in models.items()},
        "__module__": __name__,
    }
    for kind, model in models.items():
        namespace[kind] = strawberry.field(description=model.__doc__, default=strawberry.UNSET)
    return strawberry.input(
        type("TargetInput", (), namespace), description="What to probe: exactly one kind.", one_of=True
    )


def _target_union() -> Any:  # noqa: ANN401 - an annotation
    types = reduce(or_, (_graphql_type(model, is_input=False) for model in KINDS.values()))
    return Annotated[types, strawberry.union("Target", description="What is probed, by kind.")]


if TYPE_CHECKING:

    class TargetInput:
        """One field for each kind, of which exactly one is set."""

    Target: TypeAlias = object
else:
    TargetInput = _target_input()
    Target = _target_union()


def given_target(target: TargetInput) -> tuple[str, dict[str, Any]]:
    """The kind, and the fields as its model validates them."""
    kind, fields_given = next(iter(_plain(target).items()))
    return kind, fields_given


def secrets_of_target(target: TargetInput) -> list[tuple[Path, str]]:
    """The names of secrets that it is given, by where in the fields of its kind their values stand."""
    return [(path[1:], name) for path, name in secrets_named(target)]


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if is_dataclass(value):
        given = ((field.name, getattr(value, field.name)) for field in fields(value) if not names_secret(field))
        return {name: _plain(item) for name, item in given if item is not strawberry.UNSET}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def shown_target(kind: str, stored: Mapping[str, Any], principal: Principal) -> Target:
    """The output type of a stored target.

    What may be a secret is masked for tokens that only read, and what stands for one by reference for everybody.
    """
    return _shows(KINDS[kind], conceal=principal.permission is TokenPermission.READ_ONLY)(stored)


@cache
def _shows(model: type[BaseModel], *, conceal: bool) -> Callable[[Mapping[str, Any]], Any]:
    """Make the function that turns stored fields into the output type."""
    graphql_type = _graphql_type(model, is_input=False)
    shows = [(name, info.default, _shows_field(info, conceal=conceal)) for name, info in model.model_fields.items()]
    names = [name for name, info in model.model_fields.items() if may_be_secret(info)]

    def show(stored: Mapping[str, Any]) -> Any:  # noqa: ANN401 - made above
        shown = {name: shows_field(stored.get(name, default)) for name, default, shows_field in shows}
        named = {f"{name}{NAME_SUFFIX}": name_shown(stored.get(name)) for name in names}
        return graphql_type(**shown, **named)

    return show


def _shows_field(info: FieldInfo, *, conceal: bool) -> Callable[[Any], Any]:
    if not may_be_secret(info):
        return _shows_value(info.annotation, conceal=conceal)
    return lambda value: _MASK if isinstance(value, Mapping) or (conceal and value is not None) else value


def _shows_value(annotation: Any, *, conceal: bool) -> Callable[[Any], Any]:  # noqa: ANN401 - types of types
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shows_value(arguments[0], conceal=conceal)
    if origin in (Union, UnionType):
        inner = _shows_value(next(a for a in arguments if a is not NoneType), conceal=conceal)
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item = _shows_value(arguments[0], conceal=conceal)
        return lambda values: [item(value) for value in values]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _shows(annotation, conceal=conceal)
    return annotation if isinstance(annotation, type) and issubclass(annotation, Enum) else lambda value: value
