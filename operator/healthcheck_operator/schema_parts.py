"""What schemas are put together from."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from healthcheck_operator.rules import Validation

Schema: TypeAlias = dict[str, Any]
RULES: Final = "x-kubernetes-validations"


def object_schema(properties: Mapping[str, Schema], description: str, required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {"type": "object", "description": description, "properties": dict(properties)}
    return {**schema, "required": list(required)} if required else schema


def with_rules(schema: Schema, rules: list[Validation]) -> Schema:
    return {**schema, RULES: rules} if rules else schema


def name_schema(description: str) -> Schema:
    """The name of another object, as most kinds have them."""
    return {
        "type": "string",
        "description": description,
        "minLength": 1,
        "maxLength": 253,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    }


def secret_source_schema(name: str) -> Schema:
    """Where the value of a field stands in a Secret of the same namespace.

    It stands at some hundred fields, so only the outermost is described: the definition must fit into an annotation.
    """
    key = {
        "type": "object",
        "properties": {
            "name": _text("^[a-z0-9][-.a-z0-9]*$"),
            "key": _text("^[-._a-zA-Z0-9]+$"),
        },
        "required": ["name", "key"],
    }
    described = f"Name of a Secret of this namespace, and the key in it, to take {name} from."
    return object_schema({"secretKeyRef": key}, described, ("secretKeyRef",))


def _text(pattern: str) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": 253, "pattern": pattern}
