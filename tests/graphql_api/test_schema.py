"""The schema explains itself and keeps its promises, wherever one looks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from annotated_types import MaxLen
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
    get_nullable_type,
)
from pydantic import BaseModel
from strawberry.utils.str_converters import to_camel_case

import graphql_api
from graphql_api.schema import print_schema, schema
from tocsin.domain.targets import KINDS


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, and those in their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from models_of(info.annotation)
    for argument in get_args(annotation):
        yield from models_of(argument)


def bounded_lists() -> Iterator[tuple[str, str]]:
    """Those of targets whose models say how long they may be."""
    for model in {model for kind in KINDS.values() for model in models_of(kind)}:
        for name, info in model.model_fields.items():
            if any(isinstance(limit, MaxLen) for limit in info.metadata):
                yield model.__name__, to_camel_case(name)


SHORT_LISTS = {  # each with the limit that its input has
    *(("Heartbeat", name) for name in ("reports", "runningSince")),
    ("Check", "labels"),
    ("Check", "locations"),
    ("Query", "locations"),  # as many as the installation has
    ("Check", "series"),
    ("InvalidInput", "problems"),
    *(("Evidence", name) for name in ("failedAssertions", "headers", "facts", "attempts")),
    *(("CheckTest", name) for name in ("assertions", "headers", "facts")),
}
ALL_MUTATIONS = {
    *("createSite", "updateSite", "deleteSite", "createCheck", "updateCheck", "deleteCheck", "pauseCheck"),
    *("createSecret", "updateSecret", "deleteSecret"),
    *("testCheck", "renewHeartbeatKey"),
    *("resumeCheck", "runCheck", "acknowledgeIncident", "commentIncident"),
}
GRAPHQL = schema._schema


def own_types() -> list[GraphQLNamedType]:
    return [kind for name, kind in GRAPHQL.type_map.items() if not name.startswith("__")]


def fields() -> Iterator[tuple[GraphQLNamedType, str, GraphQLField]]:
    for kind in own_types():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                yield kind, name, field


def test_the_committed_schema_is_not_stale() -> None:
    committed = Path(graphql_api.__file__).parent / "schema.graphql"
    assert committed.read_text() == print_schema(), "run: python -m graphql_api.schema > graphql_api/schema.graphql"


def test_every_type_field_and_argument_is_described() -> None:
    silent = [kind.name for kind in own_types() if not kind.description and not isinstance(kind, GraphQLScalarType)]
    silent += [f"{kind.name}.{name}" for kind, name, field in fields() if not field.description]
    silent += [
        f"{kind.name}.{name}({argument}:)"
        for kind, name, field in fields()
        for argument, definition in field.args.items()
        if not definition.description
    ]
    silent += [
        f"{kind.name}.{name}"
        for kind in own_types()
        if isinstance(kind, GraphQLInputObjectType)
        for name, field in kind.fields.items()
        if not field.description
    ]
    assert silent == []


def is_page(kind: GraphQLNamedType) -> bool:
    return kind.name.endswith("Connection")


def test_every_list_is_a_page_or_short() -> None:
    lists = {
        (kind.name, name)
        for kind, name, field in fields()
        if isinstance(get_nullable_type(field.type), GraphQLList) and not is_page(kind)
    }
    assert lists - set(bounded_lists()) == SHORT_LISTS


def test_every_page_has_a_size_and_a_cursor() -> None:
    pages = [(name, field) for _, name, field in fields() if is_page(get_named_type(field.type))]
    assert pages
    assert [name for name, field in pages if not {"first", "after"} <= field.args.keys()] == []


def test_every_mutation_is_there() -> None:
    assert GRAPHQL.mutation_type is not None
    assert set(GRAPHQL.mutation_type.fields) == ALL_MUTATIONS


@pytest.mark.parametrize("mutation", sorted(ALL_MUTATIONS))
def test_each_mutation_has_a_union_of_its_own(mutation: str) -> None:
    assert GRAPHQL.mutation_type is not None
    result = get_named_type(GRAPHQL.mutation_type.fields[mutation].type)
    assert isinstance(result, GraphQLUnionType)
    assert result.name == mutation[0].upper() + mutation[1:] + "Result"
    assert {"Forbidden", "RateLimited"} <= {kind.name for kind in result.types}


def test_every_problem_has_a_message() -> None:
    problem = GRAPHQL.get_type("Problem")
    assert isinstance(problem, GraphQLInterfaceType)
    names = {kind.name for kind in GRAPHQL.get_possible_types(problem)}
    assert names == {"InvalidInput", "NotFound", "Conflict", "Forbidden", "RateLimited", "Unanswered"}


def test_what_clients_rely_on_is_there() -> None:
    promised = {
        "Query": "viewer node sites site checks check incidents incident",
        "Check": "status statusSince target results uptime latency openIncident",
        "CheckResult": "slot startedAt durationMs outcome reason message statusCode phases location",
        "Incident": "id check status openedAt acknowledgedAt resolvedAt cause events",
        "Subscription": "checkResults statusChanges incidentEvents",
    }
    for name, names in promised.items():
        kind = GRAPHQL.get_type(name)
        assert isinstance(kind, GraphQLObjectType)
        assert set(names.split()) <= kind.fields.keys()


def test_outcomes_are_those_that_were_promised() -> None:
    outcome = GRAPHQL.get_type("Outcome")
    assert isinstance(outcome, GraphQLEnumType)
    assert set(outcome.values) == {"SUCCESS", "DEGRADED", "FAILURE", "MISSED", "UNKNOWN"}


def test_a_kind_of_target_has_an_input_and_an_output_of_the_same_fields() -> None:
    union, one_of = GRAPHQL.get_type("Target"), GRAPHQL.get_type("TargetInput")
    assert isinstance(union, GraphQLUnionType)
    assert isinstance(one_of, GraphQLInputObjectType)
    inputs = {get_named_type(field.type) for field in one_of.fields.values()}
    outputs = {f"{kind.name}Input": kind for kind in union.types if kind.name != "KubernetesTarget"}
    assert {kind.name for kind in inputs} == outputs.keys()
    for name, kind in outputs.items():
        given = GRAPHQL.get_type(name)
        assert isinstance(given, GraphQLInputObjectType)
        assert given.fields.keys() == kind.fields.keys()


def test_what_a_health_check_alone_may_probe_is_shown_and_cannot_be_given() -> None:
    union, one_of = GRAPHQL.get_type("Target"), GRAPHQL.get_type("TargetInput")
    assert isinstance(union, GraphQLUnionType)
    assert isinstance(one_of, GraphQLInputObjectType)
    assert "KubernetesTarget" in {kind.name for kind in union.types}
    assert "kubernetes" not in one_of.fields


def test_exactly_one_kind_of_target_is_given() -> None:
    one_of = GRAPHQL.get_type("TargetInput")
    assert isinstance(one_of, GraphQLInputObjectType)
    assert "input TargetInput @oneOf" in print_schema()
    assert not any(isinstance(field.type, GraphQLNonNull) for field in one_of.fields.values())
