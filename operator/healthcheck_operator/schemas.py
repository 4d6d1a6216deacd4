"""Structural schemas from pydantic's models: no references, no unions, everything bounded.

pydantic's own JSON Schema has `$ref`, `anyOf` and `const`, which a CustomResourceDefinition may not have.
"""

from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from healthcheck_operator.names import property_name, secret_sibling
from healthcheck_operator.rules import Validation, field_rules, lifted, model_rules, secret_rules
from healthcheck_operator.schema_parts import RULES, Schema, object_schema, secret_source_schema, with_rules
from tocsin.domain.targets.model import Target, is_set_by_operator, may_be_secret

_SCALARS: Final[Mapping[type, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}
# By the kind of value: the attribute of pydantic's constraint, and what JSON Schema calls it.
_LIMITS: Final[Mapping[str, Mapping[str, str]]] = {
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
    "integer": {"ge": "minimum", "le": "maximum", "multiple_of": "multipleOf"},
    "number": {"ge": "minimum", "le": "maximum"},
    "boolean": {},
}
_BOUNDS: Final[Mapping[str, str]] = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}


def model_schema(model: type[BaseModel]) -> Schema:
    """The schema of a model's fields. Raises TypeError for a type or a missing bound, and names the field."""
    fields = _own_fields(model)
    secrets = {name: info.is_required() for name, info in fields.items() if may_be_secret(info)}
    required = tuple(property_name(name) for name in fields if fields[name].is_required() and name not in secrets)
    properties = {property_name(name): _field_schema(f"{model.__name__}.{name}", fields[name]) for name in fields}
    siblings = {secret_sibling(name): secret_source_schema(property_name(name)) for name in secrets}
    rules = [*_lift_rules(properties), *secret_rules(secrets), *model_rules(model, secrets)]
    return with_rules(object_schema({**properties, **siblings}, (model.__doc__ or "").strip(), required), rules)


def _own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Without what all kinds share, which stands beside them in a spec, and what the operator sets."""
    shared = Target.model_fields if issubclass(model, Target) and model is not Target else {}
    fields = model.model_fields.items()
    return {name: info for name, info in fields if name not in shared and not is_set_by_operator(info)}


def _lift_rules(properties: Mapping[str, Schema]) -> list[Validation]:
    """Take the rules of texts out of their schemas, as rules of the object that holds them."""
    texts = {name: schema for name, schema in properties.items() if schema["type"] == "string"}
    return [rule for name, schema in texts.items() for rule in lifted(name, schema.pop(RULES, ()))]


def _field_schema(where: str, info: FieldInfo) -> Schema:
    schema = _type_schema(where, info.annotation, [*info.metadata, info])
    return _bounded(where, {"type": schema.pop("type"), "description": _description(info), **schema})


def _description(info: FieldInfo) -> str:
    default = info.default
    if info.is_required() or default in (None, (), ""):
        return info.description or ""
    return f"{info.description} Default: {_shown(default)}."


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _type_schema(where: str, annotation: Any, metadata: list[Any]) -> Schema:  # noqa: ANN401 - types of types
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_schema(where, arguments[0], [*_flat(arguments[1:]), *metadata])
    if origin in (Union, UnionType):
        given = [argument for argument in arguments if argument is not NoneType]
        if len(given) != 1:
            raise TypeError(f"{where}: a union has no structural schema")
        return _type_schema(where, given[0], metadata)
    return _with_limits(_plain_schema(where, annotation, origin, arguments), metadata)


def _flat(metadata: tuple[Any, ...]) -> list[Any]:
    """The constraints that pydantic keeps in nested fields, beside the others."""
    return [each for item in metadata for each in ([*item.metadata, item] if isinstance(item, FieldInfo) else [item])]


def _plain_schema(where: str, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Schema:  # noqa: ANN401 - as above
    if origin is Literal:
        return _enum_schema(arguments)
    if origin in (tuple, list):
        items = _bounded(where, _type_schema(f"{where}[]", arguments[0], []))
        return {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _bounded(where, _type_schema(where, arguments[1], []))}
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return model_schema(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enum_schema(tuple(member.value for member in annotation))
    raise TypeError(f"{where}: {annotation} has no structural schema")


def _enum_schema(values: tuple[Any, ...]) -> Schema:
    return {"type": "string", "enum": list(values)}


def _with_limits(schema: Schema, metadata: list[Any]) -> Schema:
    limits = {
        name: value
        for item in metadata
        for attribute, name in _LIMITS[schema["type"]].items()
        if (value := getattr(item, attribute, None)) is not None
    }
    for item in metadata:
        if isinstance(item, FieldInfo) and isinstance(item.json_schema_extra, dict):
            limits.update(item.json_schema_extra)
    return with_rules({**schema, **limits}, [*schema.get(RULES, ()), *field_rules(metadata)])


def _bounded(where: str, schema: Schema) -> Schema:
    bound = _BOUNDS.get(schema["type"])
    if bound and not schema.keys() & {bound, "enum", "properties"}:
        raise TypeError(f"{where}: needs {bound}, so that the cost of rules is bounded")
    return schema
