"""Sites through the API."""

from typing import Any

import pytest

CREATE = """
mutation ($input: CreateSiteInput!) { createSite(input: $input) {
    __typename ... on Site { id name description } ... on Problem { message }
    ... on Conflict { path } ... on InvalidInput { problems { path message } } } }
"""
UPDATE = """
mutation ($id: ID!, $input: UpdateSiteInput!) { updateSite(id: $id, input: $input) {
    __typename ... on Site { id name description } ... on Problem { message }
    ... on Conflict { path } ... on InvalidInput { problems { path message } } } }
"""
DELETE = """
mutation ($id: ID!) { deleteSite(id: $id) { __typename ... on Site { id name } ... on Problem { message } } }
"""


async def test_a_site_is_made_and_found(client: Any) -> None:
    made = await client.data(CREATE, input={"name": " shop ", "description": "all of it"})
    assert made["__typename"] == "Site"
    found = await client.data("query ($id: ID!) { site(id: $id) { id name description } }", id=made["id"])
    assert found == {"id": made["id"], "name": "shop", "description": "all of it"}


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "   "}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        ({"name": "a\nb"}, ["name"]),
        ({"name": "a\0b"}, ["name"]),
        ({"name": "a\u2028b"}, ["name"]),
        ({"name": "", "description": "x" * 501}, ["name", "description"]),
        ({"name": "a", "description": "\x07"}, ["description"]),
        ({"name": "a", "idempotencyKey": "k" * 201}, ["idempotencyKey"]),
        ({"name": "", "idempotencyKey": "\t"}, ["idempotencyKey", "name"]),
    ],
)
async def test_what_is_wrong_with_a_site_is_named(client: Any, fields: dict[str, str], paths: list[str]) -> None:
    refused = await client.data(CREATE, input=fields)
    assert refused["__typename"] == "InvalidInput"
    assert [problem["path"] for problem in refused["problems"]] == paths


async def test_two_sites_cannot_have_one_name(client: Any) -> None:
    await client.create_site("shop")
    refused = await client.data(CREATE, input={"name": "shop"})
    assert (refused["__typename"], refused["path"]) == ("Conflict", "name")


async def test_two_organizations_can_have_sites_of_one_name(client: Any, stranger: Any) -> None:
    await client.create_site("shop")
    await stranger.create_site("shop")


async def test_an_update_changes_what_is_given_alone(client: Any) -> None:
    made = await client.data(CREATE, input={"name": "shop", "description": "old"})
    changed = await client.data(UPDATE, id=made["id"], input={"description": "new", "name": None})
    assert (changed["name"], changed["description"]) == ("shop", "new")


async def test_a_site_cannot_take_the_name_of_another(client: Any) -> None:
    await client.create_site("shop")
    other = await client.create_site("blog")
    refused = await client.data(UPDATE, id=other, input={"name": "shop"})
    assert (refused["__typename"], refused["path"]) == ("Conflict", "name")


async def test_a_deleted_site_is_not_found_and_its_name_is_free(client: Any) -> None:
    site = await client.create_site("shop")
    assert (await client.data(DELETE, id=site))["name"] == "shop"
    error = await client.error("query ($id: ID!) { site(id: $id) { id } }", id=site)
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert await client.create_site("shop") != site


async def test_a_site_with_checks_is_not_deleted(client: Any) -> None:
    site = await client.create_site()
    await client.create_check(site)
    refused = await client.data(DELETE, id=site)
    assert (refused["__typename"], "1 check;" in refused["message"]) == ("Conflict", True)


async def test_a_site_whose_checks_are_deleted_is_deleted(client: Any) -> None:
    site = await client.create_site()
    check = await client.create_check(site)
    await client.data("mutation ($id: ID!) { deleteCheck(id: $id) { __typename } }", id=check)
    assert (await client.data(DELETE, id=site))["__typename"] == "Site"


async def test_an_idempotency_key_makes_one_site(client: Any) -> None:
    request = {"name": "shop", "idempotencyKey": "k1"}
    first, second = [await client.data(CREATE, input=request) for _ in range(2)]
    assert first == second
    assert len((await client.data("{ sites { nodes { id } } }"))["nodes"]) == 1


async def test_an_idempotency_key_for_another_input_is_a_conflict(client: Any) -> None:
    await client.data(CREATE, input={"name": "shop", "idempotencyKey": "k1"})
    refused = await client.data(CREATE, input={"name": "blog", "idempotencyKey": "k1"})
    assert (refused["__typename"], refused["path"]) == ("Conflict", "idempotencyKey")
