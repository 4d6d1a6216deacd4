"""Secrets through the API: kept under names, named by targets, and never shown."""

import json

import asyncpg
import pytest

from tests.graphql_api.conftest import Client

CREATE = """
mutation ($input: CreateSecretInput!) { createSecret(input: $input) {
    __typename ... on Secret { id name } ... on Problem { message } ... on Conflict { path }
    ... on InvalidInput { problems { path message } } } }
"""
UPDATE = """
mutation ($id: ID!, $input: UpdateSecretInput!) { updateSecret(id: $id, input: $input) {
    __typename ... on Secret { name updatedAt } ... on InvalidInput { problems { path message } } } }
"""
DELETE = (
    "mutation ($id: ID!) { deleteSecret(id: $id) { __typename ... on Secret { name } ... on Problem { message } } }"
)
CREATE_CHECK = """
mutation ($input: CreateCheckInput!) { createCheck(input: $input) {
    __typename ... on Check { id } ... on InvalidInput { problems { path message } } } }
"""
LIST = "{ secrets { nodes { id name createdAt updatedAt checks { nodes { name } } } } }"
TARGET = """
{ checks { nodes { target { ... on HttpTarget { headers { name value valueSecret } body bodySecret } } } } }
"""
NAMED = {"http": {"url": "http://a/", "headers": [{"name": "X-Key", "valueSecret": "api-token"}]}}


async def test_a_secret_is_made_and_listed_without_its_value(client: Client) -> None:
    made = await client.data(CREATE, input={"name": "api-token", "value": "swordfish"})
    (found,) = (await client.data(LIST))["nodes"]
    assert (found["id"], found["name"], found["checks"]) == (made["id"], "api-token", {"nodes": []})
    node = await client.data("query ($id: ID!) { node(id: $id) { ... on Secret { name } } }", id=made["id"])
    assert node == {"name": "api-token"}


async def test_no_type_has_a_field_for_the_value_of_a_secret(client: Client) -> None:
    fields = await client.data('{ __type(name: "Secret") { fields { name } } }')
    assert {field["name"] for field in fields["fields"]} == {"id", "name", "createdAt", "updatedAt", "checks"}


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"name": "a/b", "value": "x"}, ["name"]),
        ({"name": "", "value": ""}, ["name", "value"]),
        ({"name": "a", "value": "x" * 65_537}, ["value"]),
        ({"name": "a", "value": "x", "idempotencyKey": "k" * 201}, ["idempotencyKey"]),
    ],
)
async def test_what_is_wrong_with_a_secret_is_named(client: Client, fields: dict[str, str], paths: list[str]) -> None:
    refused = await client.data(CREATE, input=fields)
    assert [problem["path"] for problem in refused["problems"]] == paths


async def test_two_secrets_cannot_have_one_name_but_two_organizations_can(client: Client, stranger: Client) -> None:
    await client.create_secret()
    await stranger.create_secret()
    refused = await client.data(CREATE, input={"name": "api-token", "value": "x"})
    assert (refused["__typename"], refused["path"]) == ("Conflict", "name")


async def test_a_value_is_changed_and_a_secret_without_checks_deleted(client: Client) -> None:
    secret = await client.create_secret()
    before = (await client.data(LIST))["nodes"][0]["updatedAt"]
    changed = await client.data(UPDATE, id=secret, input={"value": "angelfish"})
    assert (changed["name"], changed["updatedAt"] > before) == ("api-token", True)
    assert (await client.data(DELETE, id=secret))["name"] == "api-token"
    assert (await client.data(LIST))["nodes"] == []


async def test_a_target_names_a_secret_and_tells_which(client: Client, reader: Client) -> None:
    secret = await client.create_secret()
    await client.create_check(await client.create_site(), target=NAMED)
    for one in (client, reader):
        (seen,) = (await one.data(TARGET))["nodes"]
        assert seen["target"] == {
            "headers": [{"name": "X-Key", "value": "********", "valueSecret": "api-token"}],
            "body": None,
            "bodySecret": None,
        }
    (found,) = (await client.data(LIST))["nodes"]
    assert found["checks"]["nodes"] == [{"name": "front page"}]
    assert (await client.data(DELETE, id=secret))["__typename"] == "Conflict"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"valueSecret": "other"}, ("valueSecret", "names no secret: there is no other; make it with createSecret")),
        ({"valueSecret": "token/value"}, ("valueSecret", "must be 1 to 100 letters, digits and -_.")),
        ({"value": "x", "valueSecret": "api-token"}, ("valueSecret", "cannot be combined with the value itself")),
        ({}, ("value", "is missing; give it, or name a secret in valueSecret")),
    ],
)
async def test_exactly_one_of_a_value_and_a_secret_is_given(
    client: Client, header: dict[str, str], problem: tuple[str, str]
) -> None:
    await client.create_secret()
    target = {"http": {"url": "http://a/", "headers": [{"name": "X-Key", **header}]}}
    fields = {"siteId": await client.create_site(), "name": "front", "target": target}
    (refused,) = (await client.data(CREATE_CHECK, input=fields))["problems"]
    assert refused["path"] == f"target.http.headers.0.{problem[0]}"
    assert refused["message"].startswith(problem[1])


async def test_a_secret_of_another_organization_cannot_be_named(client: Client, stranger: Client) -> None:
    await stranger.create_secret()
    fields = {"siteId": await client.create_site(), "name": "front", "target": NAMED}
    assert (await client.data(CREATE_CHECK, input=fields))["__typename"] == "InvalidInput"
    (found,) = (await stranger.data(LIST))["nodes"]
    assert found["checks"]["nodes"] == []


async def test_a_repeated_creation_with_a_secret_finds_the_check(client: Client) -> None:
    await client.create_secret()
    fields = {"siteId": await client.create_site(), "name": "a", "target": NAMED, "idempotencyKey": "k"}
    first, again = [await client.data(CREATE_CHECK, input=fields) for _ in range(2)]
    assert first == again
    assert first["__typename"] == "Check"


async def test_a_value_is_in_no_row_log_or_answer(
    client: Client, owner: asyncpg.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = await client.create_secret(value="Swordfish-7c1e55")
    refused = await client.send(CREATE, {"input": {"name": "b", "value": "Swordfish-7c1e55", "idempotencyKey": "\t"}})
    await client.send(UPDATE, {"id": secret, "input": {"value": "Swordfish-7c1e55"}})
    await client.send(CREATE, {"input": {"name": "c", "value": "Swordfish-7c1e55", "idempotencyKey": "k"}})
    tables = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [str(row[0]) for (table,) in tables for row in await owner.fetch(f"SELECT t::text FROM {table} t")]
    told = "\n".join([*rows, json.dumps(refused), *capfd.readouterr()])
    assert "api-token" in told
    assert "Swordfish" not in told
    assert b"Swordfish-7c1e55".hex() not in told


async def test_nobody_sees_what_stands_for_a_secret_by_reference(
    client: Client, reader: Client, owner: asyncpg.Connection
) -> None:
    site = await client.create_site()
    headers = [{"name": "Authorization", "value": "Bearer open"}, {"name": "X-Key", "value": "shown"}]
    await client.create_check(site, target={"http": {"url": "http://a/", "method": "POST", "headers": headers}})
    reference = {"secret": "api-token/value"}
    await owner.execute("UPDATE checks SET target = jsonb_set(target, '{headers,0,value}', $1)", json.dumps(reference))
    await owner.execute("UPDATE checks SET target = jsonb_set(target, '{body}', $1)", json.dumps(reference))
    query = "{ checks { nodes { target { ... on HttpTarget { headers { value } body } } } } }"
    (seen,) = (await client.data(query))["nodes"]
    assert seen["target"] == {"headers": [{"value": "********"}, {"value": "shown"}], "body": "********"}
    (read,) = (await reader.data(query))["nodes"]
    assert read["target"] == {"headers": [{"value": "********"}, {"value": "********"}], "body": "********"}


async def test_a_reference_to_a_secret_is_no_input(client: Client) -> None:
    target = {"url": "http://a/", "headers": [{"name": "X-Key", "value": {"secret": "api-token/value"}}]}
    query = "mutation ($input: CreateCheckInput!) { createCheck(input: $input) { __typename } }"
    error = await client.error(
        query, input={"siteId": await client.create_site(), "name": "front", "target": {"http": target}}
    )
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
