"""What the API shows of secrets that Kubernetes holds: that they are there."""

import json

import asyncpg

from tests.graphql_api.conftest import Client


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
