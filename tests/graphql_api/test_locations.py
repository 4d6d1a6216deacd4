"""Locations through the API: where checks are probed, and what each location shows."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tocsin.services.locations import register_location

SHOWN = """query ($id: ID!) { check(id: $id) { quorum failureWindow status
    locations { name status statusSince certificateExpiresAt lastResult { outcome } } } }"""
CREATE = """mutation ($input: CreateCheckInput!) { createCheck(input: $input) {
    ... on Check { id } ... on InvalidInput { problems { path message } } } }"""
RUN = """mutation ($id: ID!, $location: String) { runCheck(id: $id, location: $location) {
    ... on CheckRun { result { location } } ... on NotFound { message } } }"""


@pytest.fixture
async def check(client: Any, owner: asyncpg.Connection) -> str:
    """A check at two locations."""
    for name in ("eu", "us"):
        await register_location(owner, name)
    return str(await client.create_check(await client.create_site(), locations=["us", "eu"], quorum="ALL"))


async def test_a_check_shows_its_locations_in_the_order_given(client: Any, check: str) -> None:
    shown = await client.data(SHOWN, id=check)
    assert (shown["quorum"], shown["status"]) == ("ALL", "PENDING")
    assert [(each["name"], each["status"], each["lastResult"]) for each in shown["locations"]] == [
        ("us", "PENDING", None),
        ("eu", "PENDING", None),
    ]


async def test_a_check_is_probed_at_the_default_location_unless_it_says_otherwise(client: Any) -> None:
    check = await client.create_check(await client.create_site())
    shown = await client.data(SHOWN, id=check)
    assert (shown["quorum"], [each["name"] for each in shown["locations"]]) == ("MAJORITY", ["default"])


async def test_a_location_that_is_not_known_is_refused_with_what_helps(client: Any) -> None:
    site = await client.create_site()
    target = {"tcp": {"host": "example.com", "port": 443}}
    new = {"siteId": site, "name": "a", "target": target, "locations": ["default", "mars"]}
    [problem] = (await client.data(CREATE, input=new))["problems"]
    assert problem["path"] == "locations.1"
    assert problem["message"] == "is no known location; start a worker there first, or take one of default"


async def test_the_installations_locations_are_listed(client: Any, owner: asyncpg.Connection, check: str) -> None:
    await owner.execute("UPDATE locations SET impaired_since = '2026-03-01' WHERE name = 'us'")
    listed = await client.data("{ locations { name seenAt impairedSince } }")
    assert [each["name"] for each in listed] == ["default", "eu", "us"]
    assert [bool(each["seenAt"]) for each in listed] == [False, True, True]
    assert listed[2]["impairedSince"] == "2026-03-01T00:00:00+00:00"


@pytest.mark.parametrize(("given", "taken"), [({}, "us"), ({"location": "eu"}, "eu")])
async def test_a_run_is_made_at_the_first_location_or_at_another(
    client: Any, owner: asyncpg.Connection, check: str, given: dict[str, str], taken: str
) -> None:
    asked = asyncio.create_task(client.data(RUN, id=check, **given))
    finish = "UPDATE runs SET finished_at = now(), started_at = now(), outcome = 1, duration_us = 2500 RETURNING id"
    while await owner.fetchval(finish) is None:  # noqa: ASYNC110 - the row comes from the application
        await asyncio.sleep(0.01)
    assert (await asked)["result"] == {"location": taken}


async def test_a_run_at_a_location_that_the_check_has_not_is_not_found(client: Any, check: str) -> None:
    refused = await client.data(RUN, id=check, location="default")
    assert refused == {"message": "There is no such check at that location."}
