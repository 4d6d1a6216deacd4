"""Schemas from models: structural, bounded, and with the rules that stand beside the validators."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import AfterValidator, BaseModel, Field
from pydantic.fields import FieldInfo

from healthcheck_operator.assertion_schemas import source_rules
from healthcheck_operator.crd import custom_resource_definition
from healthcheck_operator.schemas import model_schema
from healthcheck_operator.target_schemas import kind_schema
from tocsin.domain.facts import Source
from tocsin.domain.targets import KINDS
from tocsin.domain.targets.addresses import Host, Port
from tocsin.domain.targets.model import MayBeSecret, SetByOperator, Target
from tocsin.domain.targets.rules import Requirement, Rule
from tocsin.domain.targets.urls import Url

Name = Annotated[str, Field(min_length=1, max_length=63)]


class Colour(StrEnum):
    """What it looks like."""

    RED = "red"
    GREEN = "green"


class Gopher(Target):
    """A Gopher hole that must answer."""

    kind: ClassVar[str] = "gopher"
    requirements: ClassVar[tuple[Requirement, ...]] = (Requirement("pass_word", "has(self.port)", "needs a port"),)

    host: Host = Field(description="Where it is.")
    port: Port = Field(description="Its port.")
    selector: Name | None = Field(default=None, description="What to ask for.")
    colours: Annotated[tuple[Colour, ...], Field(max_length=2)] = Field(default=(Colour.RED,), description="Its looks.")
    pass_word: Annotated[Name | None, MayBeSecret()] = Field(default=None, description="What opens it.")
    namespace: Annotated[Name, SetByOperator()] = Field(description="Where its HealthCheck is.")


class Finger(Target):
    """A page about somebody."""

    kind: ClassVar[str] = "finger"

    url: Url = Field(description="Where it is.")


def rules(schema: Mapping[str, Any]) -> list[str]:
    return [rule["rule"] for rule in schema["x-kubernetes-validations"]]


def test_a_field_is_in_camel_case_with_its_limits_and_its_default_in_words() -> None:
    properties = model_schema(Gopher)["properties"]
    assert properties["selector"] == {
        "type": "string",
        "description": "What to ask for.",
        "minLength": 1,
        "maxLength": 63,
    }
    assert properties["colours"] == {
        "type": "array",
        "description": "Its looks. Default: red.",
        "items": {"type": "string", "enum": ["red", "green"]},
        "x-kubernetes-list-type": "atomic",
        "maxItems": 2,
    }
    assert (properties["port"]["minimum"], properties["port"]["maximum"]) == (1, 65535)


def test_a_field_that_may_be_secret_has_a_sibling_that_follows_the_same_requirement() -> None:
    schema = model_schema(Gopher)
    assert set(schema["properties"]["passWordFrom"]["properties"]) == {"secretKeyRef"}
    assert "!has(self.passWord) || !has(self.passWordFrom)" in rules(schema)
    assert "!has(self.passWord) || (has(self.port))" in rules(schema)
    assert "!has(self.passWordFrom) || (has(self.port))" in rules(schema)


def test_a_field_that_the_operator_sets_is_left_out() -> None:
    schema = model_schema(Gopher)
    assert "namespace" not in schema["properties"]
    assert schema["required"] == ["host", "port"]


def test_host_and_port_may_be_given_by_a_reference_to_a_service() -> None:
    schema = kind_schema(Gopher)
    assert "required" not in schema
    assert set(schema["properties"]["serviceRef"]["properties"]) == {"name", "port"}
    assert "has(self.port) || has(self.serviceRef)" in rules(schema)


def test_a_url_may_be_given_by_three_references() -> None:
    schema = kind_schema(Finger)
    assert set(schema["properties"]) - set(Target.model_fields) == {"url", "serviceRef", "ingressRef", "httpRouteRef"}
    assert set(schema["properties"]["serviceRef"]["properties"]) == {"name", "port", "path", "scheme"}


def test_a_kind_that_is_added_appears_by_itself() -> None:
    spec = spec_of(custom_resource_definition({**KINDS, "gopher": Gopher}))
    assert spec["properties"]["gopher"] == kind_schema(Gopher)
    assert any("has(self.gopher)" in rule and "has(self.http)" in rule for rule in rules(spec))


def test_a_model_that_needs_exactly_one_of_its_fields_says_so() -> None:
    class Fork(Target):
        one_of: ClassVar[tuple[str, ...]] = ("left_side", "right_side")
        left_side: bool | None = None
        right_side: bool | None = None

    assert rules(model_schema(Fork)) == ["[has(self.leftSide), has(self.rightSide)].exists_one(is_given, is_given)"]


@pytest.mark.parametrize("annotation", [str, tuple[bool, ...], dict[str, bool], tuple[str, ...]])
def test_what_has_no_bound_is_refused_by_name(annotation: Any) -> None:
    with pytest.raises(TypeError, match=r"Odd\.field: needs max"):
        model_schema(odd(annotation))


@pytest.mark.parametrize("annotation", [int | str, bytes, object])
def test_what_has_no_structural_schema_is_refused_by_name(annotation: Any) -> None:
    with pytest.raises(TypeError, match=r"Odd\.field: .*structural"):
        model_schema(odd(annotation))


def odd(annotation: Any) -> type[BaseModel]:
    return type("Odd", (BaseModel,), {"__annotations__": {"field": annotation}, "__module__": __name__})


def spec_of(definition: Mapping[str, Any]) -> Any:
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def nodes(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from nodes(schema[name])
    for each in schema.get("properties", {}).values():
        yield from nodes(each)


def metadata(model: type[BaseModel]) -> Iterator[tuple[str, list[Any]]]:
    """All that stands in the Annotated of each field, also in nested types and models."""
    for name, info in model.model_fields.items():
        yield f"{model.__name__}.{name}", [*info.metadata, *inside(info.annotation)]
        for nested in models_in(info.annotation):
            yield from metadata(nested)


def inside(annotation: Any) -> list[Any]:
    own = [
        each
        for item in getattr(annotation, "__metadata__", ())
        for each in (item.metadata if isinstance(item, FieldInfo) else [item])
    ]
    return own + [each for argument in getattr(annotation, "__args__", ()) for each in inside(argument)]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models_in(argument)


@pytest.mark.parametrize("kind", KINDS)
def test_every_validator_of_a_text_has_a_rule_beside_it(kind: str) -> None:
    for field, found in metadata(KINDS[kind]):
        validates = any(isinstance(item, AfterValidator) for item in found)
        assert not validates or any(isinstance(item, Rule) for item in found), field


@pytest.mark.parametrize("kind", KINDS)
def test_every_validator_of_fields_together_has_a_requirement(kind: str) -> None:
    model = KINDS[kind]
    validated = {
        field for found in model.__pydantic_decorators__.field_validators.values() for field in found.info.fields
    }
    # What all kinds share is bounded otherwise: sources by an enum, and CEL cannot tell what is CEL.
    said = {each.field for each in (*model.requirements, *getattr(model, "needs", ()))}
    assert validated - set(Target.model_fields) <= said


@pytest.mark.parametrize("kind", KINDS)
def test_assertions_are_about_what_the_kind_knows(kind: str) -> None:
    [rule] = source_rules({kind: KINDS[kind]})
    known = {source for source in Source if f"'{source}'" in rule["rule"]}
    assert known == KINDS[kind].sources | {Source.LATENCY}


def test_what_all_kinds_share_stands_beside_them() -> None:
    spec = spec_of(custom_resource_definition())["properties"]
    assert {"assertions", "conditions"} <= spec.keys()
    assert not any({"assertions", "conditions"} & spec[kind]["properties"].keys() for kind in KINDS)


def test_every_object_of_the_spec_has_its_properties_and_everything_is_bounded() -> None:
    for node in nodes(spec_of(custom_resource_definition())):
        assert "x-kubernetes-preserve-unknown-fields" not in node
        if node.get("type") == "object":
            assert node.get("properties") or "maxProperties" in node
        if node.get("type") == "array":
            assert "maxItems" in node
        if node.get("type") == "string":
            assert node.keys() & {"maxLength", "enum"}, node
        assert not node.keys() & {"$ref", "oneOf", "allOf", "const", "nullable"}
