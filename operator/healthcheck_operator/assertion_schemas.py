"""What a HealthCheck asserts, of whatever kind its target is.

It stands beside the target, as at each kind it would be a quarter of the definition, which has to fit into an
annotation for `kubectl apply`.
"""

from collections.abc import Mapping

from healthcheck_operator.names import property_name
from healthcheck_operator.rules import Validation, validation
from healthcheck_operator.schema_parts import Schema
from healthcheck_operator.schemas import model_schema
from tocsin.domain.facts import Source
from tocsin.domain.targets.model import Target


def assertion_schemas() -> dict[str, Schema]:
    """The fields that all targets have, by their names in the spec."""
    schemas: dict[str, Schema] = model_schema(Target)["properties"]
    return schemas


def source_rules(kinds: Mapping[str, type[Target]]) -> list[Validation]:
    """Assertions are about what the kind knows."""
    return [_source_rule(property_name(kind), model) for kind, model in kinds.items()]


def _source_rule(kind: str, model: type[Target]) -> Validation:
    known = [source.value for source in Source if source in model.known_sources()]
    return validation(
        f"!has(self.{kind}) || !has(self.assertions) || self.assertions.all(each, each.source in {known})",
        "must be about what the kind knows; tocsin kinds names it for each",
        "assertions",
    )
