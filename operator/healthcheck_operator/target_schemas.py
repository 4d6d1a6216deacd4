"""The kinds of targets in a HealthCheck: each model's schema, and references in place of an address."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from healthcheck_operator.rules import Validation, exactly_one, validation
from healthcheck_operator.schema_parts import RULES, Schema, name_schema, object_schema, with_rules
from healthcheck_operator.schemas import model_schema

_PATH: Final[Schema] = {
    "type": "string",
    "description": "Path and query of the URL, such as /health. Default: /.",
    "minLength": 1,
    "maxLength": 1024,
    RULES: [
        validation(
            r'self.matches(r"^/[^\s\pZ\pC#]*$")',
            "must begin with / and hold no spaces, control characters or #; percent-encode them",
        )
    ],
}
_HOST: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 253,
    "pattern": r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$",
}
_PORT: Final[Schema] = {
    "description": "Number or name of one of the Service's ports. Needed when it has several.",
    "x-kubernetes-int-or-string": True,
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "maxLength": 15,
    RULES: [
        validation(
            "type(self) == int ? self >= 1 && self <= 65535 : "
            'self.matches("^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$") && self.matches("[a-z]")',
            "must be a port from 1 to 65535, or the name of a port: up to 15 of a-z, 0-9 and -",
        )
    ],
}
_SCHEME: Final[Schema] = {"type": "string", "description": "Default: http.", "enum": ["http", "https"]}


def kind_schema(model: type[BaseModel]) -> Schema:
    """The schema of a kind. A required `url`, or `host` and `port`, may be given by reference."""
    schema = model_schema(model)
    required = set(schema.get("required", ()))
    if "url" in required:
        return _with_references(schema, ("url",), _url_references())
    if {"host", "port"} <= required:
        return _with_references(schema, ("host", "port"), {"serviceRef": _service_reference()})
    return schema


def _with_references(schema: Schema, replaced: tuple[str, ...], references: Mapping[str, Schema]) -> Schema:
    rules = [*_reference_rules(replaced, tuple(references)), *schema.get(RULES, ())]
    required = [name for name in schema["required"] if name not in replaced]
    properties = {**schema["properties"], **references}
    others = {name: value for name, value in schema.items() if name not in ("properties", "required")}
    return with_rules({**others, "properties": properties, **({"required": required} if required else {})}, rules)


def _reference_rules(replaced: tuple[str, ...], references: tuple[str, ...]) -> list[Validation]:
    if len(replaced) == 1:
        choices = (*replaced, *references)
        return exactly_one(choices, f"give exactly one of {', '.join(choices)}", replaced[0])
    [reference] = references
    return [rule for name in replaced for rule in _either(name, reference)]


def _either(name: str, reference: str) -> list[Validation]:
    missing = f"is missing; give it, or {reference}"
    combined = f"cannot be combined with {name}; keep one of them"
    return [
        validation(f"has(self.{name}) || has(self.{reference})", missing, name, "FieldValueRequired"),
        validation(f"!has(self.{name}) || !has(self.{reference})", combined, reference),
    ]


def _url_references() -> dict[str, Schema]:
    return {
        "serviceRef": _service_reference({"path": _PATH, "scheme": _SCHEME}),
        "ingressRef": object_schema(
            {
                "name": name_schema("Name of the Ingress."),
                "host": {**_HOST, "description": "One of its hosts. Needed when it has several."},
                "path": _PATH,
            },
            "Takes the URL from an Ingress of this namespace.",
            ("name",),
        ),
        "httpRouteRef": object_schema(
            {
                "name": name_schema("Name of the HTTPRoute."),
                "hostname": {**_HOST, "description": "One of its hostnames. Needed when it has several."},
                "path": _PATH,
            },
            "Takes the URL from an HTTPRoute of this namespace.",
            ("name",),
        ),
    }


def _service_reference(more: Mapping[str, Schema] | None = None) -> Schema:
    return object_schema(
        {"name": name_schema("Name of the Service."), "port": _PORT, **(more or {})},
        "Takes the address from a Service of this namespace.",
        ("name",),
    )
