"""Rules in CEL, which the API server applies to every HealthCheck.

What CEL cannot decide, the operator says in a condition: whether a cron expression is ever due, and ranges in it that
run backwards; whether the IDNA form of a host name is valid, short enough, and the same in both versions of IDNA;
characters in URLs that Unicode has not assigned; fractions of a millisecond in an interval; time zones that the API
server knows and Tocsin does not; and everything about what references and Secrets lead to.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from healthcheck_operator.names import property_name, secret_sibling
from tocsin.domain.targets.rules import Need, Requirement, Rule

_SELF: Final = re.compile(r"\bself\b")

Validation = dict[str, str]
"""An item of `x-kubernetes-validations`."""


def validation(expression: str, message: str, field: str = "", reason: str = "") -> Validation:
    """A rule that blames a field of the object, by the field's name, or the value itself.

    Without a reason, it is FieldValueInvalid.
    """
    path = {"fieldPath": f".{field}"} if field else {}
    return {"rule": expression, "message": message, **path, **({"reason": reason} if reason else {})}


def field_rules(metadata: Iterable[Any]) -> list[Validation]:
    """The rules that stand in a field's Annotated."""
    return [validation(item.expression, item.message) for item in metadata if isinstance(item, Rule)]


def lifted(name: str, rules: Iterable[Validation]) -> list[Validation]:
    """The rules of a text, at the object that holds it.

    There the API server does not repeat what it refuses, which may be a secret.
    """
    return [
        validation(f"!has(self.{name}) || ({_SELF.sub(f'self.{name}', rule['rule'])})", rule["message"], name)
        for rule in rules
    ]


def model_rules(model: type[BaseModel], secrets: Iterable[str]) -> list[Validation]:
    """A model's requirements and needs; a requirement of a field that may be a secret holds for its sibling too."""
    requirements: tuple[Requirement, ...] = getattr(model, "requirements", ())
    return (
        _one_of(getattr(model, "one_of", ()))
        + _needs(getattr(model, "needs", ()))
        + [
            validation(f"!has(self.{name}) || ({requirement.expression})", requirement.message, name)
            for requirement in requirements
            for name in _names(requirement.field, secrets)
        ]
    )


def _one_of(fields: Iterable[str]) -> list[Validation]:
    names = [property_name(field) for field in fields]
    return exactly_one(names, f"must have exactly one of {', '.join(names)}") if names else []


def _needs(needs: Iterable[Need]) -> list[Validation]:
    return [
        validation(f"!({need.expression}) || has(self.{name})", need.message, name, "FieldValueRequired")
        for need in needs
        for name in (property_name(need.field),)
    ]


def _names(field: str, secrets: Iterable[str]) -> tuple[str, ...]:
    name = property_name(field)
    return (name, secret_sibling(field)) if field in secrets else (name,)


def secret_rules(secrets: Mapping[str, bool]) -> list[Validation]:
    """A secret is written or referred to; by whether it is required, at least one of both is there."""
    return [rule for field, required in secrets.items() for rule in _sibling_rules(field, required=required)]


def _sibling_rules(field: str, *, required: bool) -> Iterable[Validation]:
    name, other = property_name(field), secret_sibling(field)
    yield validation(
        f"!has(self.{name}) || !has(self.{other})", f"cannot be combined with {name}; keep one of them", other
    )
    if required:
        yield validation(
            f"has(self.{name}) || has(self.{other})",
            f"is missing; write it, or name a Secret's key in {other}",
            name,
            "FieldValueRequired",
        )


def exactly_one(names: Iterable[str], message: str, field: str = "") -> list[Validation]:
    """At least one of the fields, and no more; `field` is blamed, or the whole object."""
    given = ", ".join(f"has(self.{name})" for name in names)
    return [validation(f"[{given}].exists_one(is_given, is_given)", message, field)]
