"""Retries of checks, through the API."""

from typing import Any

import pytest

FIELDS = """__typename ... on Check { id timeoutSeconds retries { attempts delaySeconds backoff } }
    ... on InvalidInput { problems { path message } }"""
CREATE = f"mutation ($input: CreateCheckInput!) {{ createCheck(input: $input) {{ {FIELDS} }} }}"
UPDATE = f"mutation ($id: ID!, $input: UpdateCheckInput!) {{ updateCheck(id: $id, input: $input) {{ {FIELDS} }} }}"
TWICE = {"attempts": 2, "delaySeconds": 0.5, "backoff": 2.0}


async def create(client: Any, **fields: Any) -> Any:
    target = {"http": {"url": "https://example.com/"}}
    site = await client.create_site()
    return await client.data(CREATE, input={"siteId": site, "name": "front", "target": target, **fields})


async def update(client: Any, check: Any, **fields: Any) -> Any:
    return await client.data(UPDATE, id=check["id"], input=fields)


async def test_a_check_has_no_retries_unless_it_says_so(client: Any) -> None:
    assert (await create(client))["retries"] is None


async def test_retries_are_kept_until_they_are_taken_back(client: Any) -> None:
    made = await create(client, retries=TWICE)
    assert made["retries"] == TWICE
    assert (await update(client, made, name="back"))["retries"] == TWICE
    assert (await update(client, made, retries={"attempts": 0}))["retries"] is None


async def test_what_is_not_given_has_its_default(client: Any) -> None:
    made = await create(client, retries={"attempts": 1})
    assert made["retries"] == {"attempts": 1, "delaySeconds": 1.0, "backoff": 1.0}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"retries": {"attempts": 6}}, "retries.attempts"),
        ({"retries": {"attempts": 1, "delaySeconds": 31}}, "retries.delaySeconds"),
        ({"retries": {"attempts": 1, "backoff": 0}}, "retries.backoff"),
        ({"retries": TWICE, "timeoutSeconds": 10, "intervalSeconds": 20}, "retries"),
    ],
)
async def test_retries_that_do_not_fit_are_refused(client: Any, fields: dict[str, Any], path: str) -> None:
    refused = await create(client, **fields)
    assert [problem["path"] for problem in refused["problems"]] == [path]


async def test_retries_that_come_later_must_leave_room_for_the_timeout(client: Any) -> None:
    made = await create(client, timeoutSeconds=10, intervalSeconds=20)
    refused = await update(client, made, retries=TWICE)
    assert [problem["path"] for problem in refused["problems"]] == ["retries"]


async def test_a_shorter_interval_leaves_the_timeout_of_each_attempt_alone(client: Any) -> None:
    made = await create(client, retries=TWICE, timeoutSeconds=15)
    (problem,) = (await update(client, made, intervalSeconds=30))["problems"]
    assert problem["path"] == "retries"
    assert problem["message"].endswith("timeoutSeconds stays 15 unless another one is sent along")
    assert (await update(client, made, intervalSeconds=30, timeoutSeconds=9))["timeoutSeconds"] == 9
