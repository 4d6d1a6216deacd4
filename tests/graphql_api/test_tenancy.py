"""What another organization owns does not exist: every operation that takes an id, made from the schema."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_required_input_field,
)

from graphql_api.schema import schema
from tests.graphql_api.conftest import Client
from tocsin.domain.global_ids import encode
from tocsin.models import TokenPermission
from tocsin.services import accounts

KINDS = ("site", "check", "secret", "incident", "incident-event", "organization")
EXAMPLES = {"url": "http://example.com/", "String": "text", "Int": 1, "Float": 1.0, "Boolean": True}
NEVER = 2**40


def example(kind: GraphQLInputType, name: str) -> Any:
    """A value that is fine, with nothing in it that need not be there."""
    match kind:
        case GraphQLNonNull():
            return example(kind.of_type, name)
        case GraphQLList():
            return []
        case GraphQLEnumType():
            return next(iter(kind.values))
        case GraphQLInputObjectType() if kind.extensions["strawberry-definition"].is_one_of:
            first, field = next(iter(kind.fields.items()))
            return {first: example(field.type, first)}
        case GraphQLInputObjectType():
            given = {n: f for n, f in kind.fields.items() if is_required_input_field(f) and not _is_id(f.type)}
            return {n: example(f.type, n) for n, f in given.items()}
    return EXAMPLES.get(name, EXAMPLES[str(kind)])


def _is_id(kind: GraphQLInputType) -> bool:
    return get_named_type(kind).name == "ID"


def operations() -> Iterator[tuple[str, str, dict[str, Any], list[str]]]:
    """Each place where an id is given: the field, a document, its variables, and where among them the id goes."""
    for root in (schema._schema.query_type, schema._schema.mutation_type):
        assert isinstance(root, GraphQLObjectType)
        for name, field in root.fields.items():
            required = {n: a for n, a in field.args.items() if isinstance(a.type, GraphQLNonNull)}
            for argument, definition in field.args.items():
                for place in _places(argument, definition.type):
                    used = {**required, argument: definition}
                    header = ", ".join(f"${n}: {a.type}" for n, a in used.items() if n == argument or n in required)
                    given = ", ".join(f"{n}: ${n}" for n in used)
                    keyword = "query" if root is schema._schema.query_type else "mutation"
                    document = f"{keyword} ({header}) {{ {name}({given}) {{ __typename }} }}"
                    variables = {n: example(a.type, n) for n, a in used.items() if not _is_id(a.type)}
                    yield name, document, variables, place


def _places(name: str, kind: GraphQLInputType) -> list[list[str]]:
    if _is_id(kind):
        return [[name]]
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        return [[name, field] for field, definition in named.fields.items() if _is_id(definition.type)]
    return []


OPERATIONS = list(operations())


@pytest.fixture
async def foreign(stranger: Any, owner: asyncpg.Connection) -> dict[str, str]:
    """The ids of what the other organization owns, by kind."""
    site = await stranger.create_site()
    check = await stranger.create_check(site)
    secret = await stranger.create_secret()
    incident = await owner.fetchval(
        "INSERT INTO incidents (organization_id, check_id, opened_at, detected_at)"
        " SELECT organization_id, id, now(), now() FROM checks RETURNING id"
    )
    event = await owner.fetchval(
        "INSERT INTO incident_events (organization_id, incident_id, version, kind, at)"
        " SELECT organization_id, id, 1, 'OPENED', now() FROM incidents RETURNING id"
    )
    return {
        "site": site,
        "check": check,
        "secret": secret,
        "incident": encode("incident", incident),
        "incident-event": encode("incident-event", event),
        "organization": encode("organization", stranger.organization_id),
    }


def _at(variables: dict[str, Any], place: list[str], value: str, own: dict[str, str]) -> dict[str, Any]:
    """The variables with an id in its place; every other id is one of our own."""
    filled: dict[str, Any] = {**variables}
    if len(place) == 1:
        return {**filled, place[0]: value}
    filled.setdefault("id", own["check"])
    return {**filled, place[0]: {**filled[place[0]], place[1]: value}}


def _is_not_found(answer: dict[str, Any], field: str) -> bool:
    if "errors" in answer:
        return [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    return bool(answer["data"][field]["__typename"] == "NotFound")


async def with_fresh_token(client: Any, owner: asyncpg.Connection) -> Client:
    """The same client, with no change made yet that its rate is limited by."""
    token = await accounts.create_token(owner, client.organization_id, "another", TokenPermission.FULL)
    return Client(client.http, client.organization_id, token)


async def test_every_foreign_id_is_as_one_that_never_was(
    client: Any, owner: asyncpg.Connection, foreign: dict[str, str]
) -> None:
    own = {"check": await client.create_check(await client.create_site())}
    for field, document, variables, place in OPERATIONS:
        client = await with_fresh_token(client, owner)
        for kind in KINDS:
            never = await client.send(document, _at(variables, place, encode(kind, NEVER), own))
            found = await client.send(document, _at(variables, place, foreign[kind], own))
            nonsense = await client.send(document, _at(variables, place, "nonsense", own))
            assert _is_not_found(found, field), (document, kind, found)
            assert found == never == nonsense


def test_every_operation_with_an_id_is_tried() -> None:
    fields = {field for field, *_ in OPERATIONS}
    assert fields >= {
        "node",
        "site",
        "checks",
        "incidents",
        "createCheck",
        "updateCheck",
        "runCheck",
        "updateSecret",
        "deleteSecret",
        "commentIncident",
    }


async def test_lists_hold_nothing_of_another_organization(client: Any, foreign: dict[str, str]) -> None:
    for field in ("sites", "checks", "secrets", "incidents"):
        assert await client.data(f"{{ {field} {{ nodes {{ id }} }} }}") == {"nodes": []}
    assert foreign


async def test_nothing_of_another_organization_is_changed(
    client: Any, stranger: Any, owner: asyncpg.Connection, foreign: dict[str, str]
) -> None:
    query = (
        "{ checks { nodes { id name paused site { id } openIncident { id status } } } secrets { nodes { updatedAt } } }"
    )
    before = await stranger.data(query)
    for _, document, variables, place in OPERATIONS:
        client = await with_fresh_token(client, owner)
        for foreign_id in foreign.values():
            await client.send(document, _at(variables, place, foreign_id, foreign))
    assert await stranger.data(query) == before


async def test_a_row_of_another_organization_stops_no_page(client: Any, stranger: Any) -> None:
    for one in (client, stranger, client, stranger, client):
        await one.create_site(f"site {id(one)} {await _count(one)}")
    page = await client.data("{ sites(first: 2) { pageInfo { hasNextPage endCursor } nodes { id } } }")
    assert (len(page["nodes"]), page["pageInfo"]["hasNextPage"]) == (2, True)


async def _count(client: Any) -> int:
    return len((await client.data("{ sites { nodes { id } } }"))["nodes"])
