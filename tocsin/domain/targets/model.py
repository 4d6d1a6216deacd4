"""What every kind of target has in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from tocsin.domain.expressions import validate_expression
from tocsin.domain.facts import Source
from tocsin.domain.targets.assertions import Assertion, Assertions, Condition, Conditions
from tocsin.domain.targets.rules import Requirement


@dataclass(frozen=True, slots=True)
class MayBeSecret:
    """Marks a field, in Annotated, whose text may hold credentials: a HealthCheck takes it from a Secret instead."""


@dataclass(frozen=True, slots=True)
class SetByOperator:
    """Marks a field, in Annotated, that the operator sets: a HealthCheck's author cannot."""


def may_be_secret(field: FieldInfo) -> bool:
    return any(isinstance(mark, MayBeSecret) for mark in field.metadata)


def is_set_by_operator(field: FieldInfo) -> bool:
    return any(isinstance(mark, SetByOperator) for mark in field.metadata)


class Target(BaseModel):
    """What to probe. A kind's fields, their limits and descriptions are said once, in its model.

    The stored JSON, the GraphQL types, the schema of HealthCheck objects and the documentation are made from it.
    """

    # Errors are logged, and a refused URL, header or body may carry a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ClassVar[str]
    one_of: ClassVar[tuple[str, ...]] = ()  # fields of which exactly one must be given
    requirements: ClassVar[tuple[Requirement, ...]] = ()  # of fields on one another, beside their validators
    for_kubernetes_only: ClassVar[bool] = False  # whether a HealthCheck object alone may have it
    sources: ClassVar[frozenset[Source]] = frozenset()  # what assertions can be about, beside LATENCY
    default_interval: ClassVar[timedelta | None] = None  # in place of the general one; so are the thresholds
    default_failure_threshold: ClassVar[int | None] = None
    default_success_threshold: ClassVar[int | None] = None

    assertions: Assertions = Field(default=(), description="What the answer must be beside all this.")
    conditions: Conditions = Field(default=(), description="What must be true of the answer beside all this, in CEL.")

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:  # noqa: ANN401 - pydantic's own signature
        """Put a kind's own fields first, wherever they are shown."""
        shared = Target.model_fields
        own = {name: field for name, field in cls.model_fields.items() if name not in shared}
        cls.__pydantic_fields__ = {**own, **{name: cls.model_fields[name] for name in shared}}

    @classmethod
    def known_sources(cls) -> frozenset[Source]:
        """What assertions and conditions can be about."""
        return cls.sources | {Source.LATENCY}

    @field_validator("assertions")
    @classmethod
    def _sources_are_known(cls, assertions: Assertions) -> Assertions:
        _raise(cls.__name__, cls._unknown_sources(assertions))
        return assertions

    @field_validator("conditions")
    @classmethod
    def _expressions_can_be_evaluated(cls, conditions: Conditions) -> Conditions:
        _raise(cls.__name__, cls._unusable_expressions(conditions))
        return conditions

    @classmethod
    def _unknown_sources(cls, assertions: tuple[Assertion, ...]) -> Iterator[InitErrorDetails]:
        known = cls.known_sources()
        for index, assertion in enumerate(assertions):
            if assertion.source not in known:
                names = ", ".join(each for each in Source if each in known)
                yield _problem(index, "source", f"is not known of this kind; choose one of {names}")

    @classmethod
    def _unusable_expressions(cls, conditions: tuple[Condition, ...]) -> Iterator[InitErrorDetails]:
        for index, condition in enumerate(conditions):
            try:
                validate_expression(condition.expression, cls.known_sources())
            except ValueError as exc:
                yield _problem(index, "expression", str(exc))


def _problem(index: int, field: str, message: str) -> InitErrorDetails:
    error = PydanticCustomError("value_error", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=(index, field), input=None)


def _raise(title: str, problems: Iterator[InitErrorDetails]) -> None:
    """Within a validator, each problem keeps its own place."""
    if found := list(problems):
        raise ValidationError.from_exception_data(title, found)
