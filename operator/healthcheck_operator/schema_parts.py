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
    """Where the value of a field stands in a Secret of the same namespace."""
    key = {
        "secretKeyRef": object_schema(
            {
                "name": name_schema("Name of the Secret, in the namespace of this object."),
                "key": {
                    "type": "string",
                    "description": "Key in the Secret's data.",
                    "minLength": 1,
                    "maxLength": 253,
                    "pattern": "^[-._a-zA-Z0-9]+$",
                },
            },
            "A key of a Secret.",
            ("name", "key"),
        )
    }
    return object_schema(key, f"Takes {name} from a Secret, in place of writing it here.", ("secretKeyRef",))
