"""What `testCheck` refuses, and what it answers where no worker runs; tests/engine has one that does."""

from typing import Any

import asyncpg
import pytest

from tests.graphql_api.conftest import Client
from tests.graphql_api.test_secrets import CREATE as CREATE_SECRET
from tests.graphql_api.test_secrets import NAMED

TEST = """
mutation ($input: TestCheckInput!) { testCheck(input: $input) {
    __typename ... on Problem { message } ... on InvalidInput { problems { path message } }
    ... on RateLimited { retryAfterSeconds } } }
"""
TARGET = {"tcp": {"host": "127.0.0.1", "port": 9}}


async def tried(client: Client, **fields: Any) -> Any:
    return await client.data(TEST, input={"target": TARGET, "timeoutSeconds": 0.1, **fields})


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"target": {"http": {"url": "no"}}}, "target.http.url"),
        ({"timeoutSeconds": 61}, "timeoutSeconds"),
        ({"timeoutSeconds": 0}, "timeoutSeconds"),
        ({"location": "atlantis"}, "location"),
        ({"target": NAMED}, "target.http.headers.0.valueSecret"),
    ],
)
async def test_what_cannot_be_tried_is_named(client: Client, fields: dict[str, Any], path: str) -> None:
    refused = await tried(client, **fields)
    assert [problem["path"] for problem in refused["problems"]] == [path]


async def test_a_secret_of_another_organization_is_as_one_that_never_was(client: Client, stranger: Client) -> None:
    never = await tried(client, target=NAMED)
    await stranger.data(CREATE_SECRET, input={"name": "api-token", "value": "swordfish"})
    assert await tried(client, target=NAMED) == never


async def test_without_a_worker_a_test_says_so_and_leaves_no_check(client: Client) -> None:
    told = await tried(client)
    assert told["__typename"] == "Unanswered"
    assert "location default" in told["message"]
    assert (await client.data("{ checks { nodes { id } } }"))["nodes"] == []


async def test_many_tests_at_a_time_are_too_many(client: Client, stranger: Client, owner: asyncpg.Connection) -> None:
    await owner.execute(
        "INSERT INTO runs (organization_id, location_id, kind, timeout_ms)"
        " SELECT $1, 1, 'tcp', 100 FROM generate_series(1, 10)",
        client.organization_id,
    )
    told = await tried(client)
    assert (told["__typename"], told["retryAfterSeconds"]) == ("RateLimited", 0.1)
    assert (await tried(stranger))["__typename"] == "Unanswered"
