"""What every kind of target has in common."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from tocsin.domain.facts import Source
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
