"""Incidents through the API."""

from typing import Any

import asyncpg
import pytest

from tocsin.domain.global_ids import encode

ACKNOWLEDGE = """
mutation ($id: ID!) { acknowledgeIncident(id: $id) {
    __typename ... on Incident { status acknowledgedAt } ... on Problem { message } } }
"""
COMMENT = """
mutation ($id: ID!, $text: String!) { commentIncident(id: $id, text: $text) {
    __typename ... on Incident { events { nodes { kind message actor } } }
    ... on InvalidInput { problems { path } } } }
"""
LIST = "query ($status: [IncidentStatus!]) { incidents(status: $status) { nodes { id status } } }"


@pytest.fixture
async def check(client: Any) -> str:
    return str(await client.create_check(await client.create_site()))


async def open_incident(owner: asyncpg.Connection, *, resolved: bool = False) -> str:
    incident = await owner.fetchval(
        "INSERT INTO incidents (organization_id, check_id, opened_at, detected_at, cause, message)"
        " SELECT organization_id, id, now() - interval '1 minute', now(), 'STATUS', 'got 503' FROM checks RETURNING id"
    )
    await owner.execute(
        "INSERT INTO incident_events (organization_id, incident_id, version, kind, at, message)"
        " SELECT organization_id, id, 1, 'OPENED', now(), message FROM incidents WHERE id = $1",
        incident,
    )
    if resolved:
        await owner.execute(
            "UPDATE incidents SET resolved_at = now(), resolution = 'RECOVERED' WHERE id = $1", incident
        )
    return encode("incident", incident)


async def test_an_open_incident_shows_at_its_check(client: Any, owner: asyncpg.Connection, check: str) -> None:
    incident = await open_incident(owner)
    query = """query ($id: ID!) { check(id: $id) { openIncident {
        id status cause message resolvedAt check { id } events { nodes { kind message } } } } }"""
    assert (await client.data(query, id=check))["openIncident"] == {
        "id": incident,
        "status": "OPEN",
        "cause": "STATUS",
        "message": "got 503",
        "resolvedAt": None,
        "check": {"id": check},
        "events": {"nodes": [{"kind": "OPENED", "message": "got 503"}]},
    }


@pytest.mark.usefixtures("check")
async def test_an_incident_is_acknowledged_once(client: Any, owner: asyncpg.Connection) -> None:
    incident = await open_incident(owner)
    first, second = [await client.data(ACKNOWLEDGE, id=incident) for _ in range(2)]
    assert first["status"] == "ACKNOWLEDGED"
    assert first == second


@pytest.mark.usefixtures("check")
async def test_a_resolved_incident_is_not_acknowledged(client: Any, owner: asyncpg.Connection) -> None:
    incident = await open_incident(owner, resolved=True)
    assert (await client.data(ACKNOWLEDGE, id=incident))["__typename"] == "Conflict"


@pytest.mark.usefixtures("check")
async def test_a_comment_names_the_token(client: Any, owner: asyncpg.Connection) -> None:
    incident = await open_incident(owner)
    changed = await client.data(COMMENT, id=incident, text="looking")
    assert changed["events"]["nodes"][-1] == {"kind": "COMMENTED", "message": "looking", "actor": "acme's full"}


@pytest.mark.usefixtures("check")
async def test_a_comment_without_text_is_refused(client: Any, owner: asyncpg.Connection) -> None:
    refused = await client.data(COMMENT, id=await open_incident(owner), text=" ")
    assert refused["problems"] == [{"path": "text"}]


@pytest.mark.usefixtures("check")
async def test_incidents_are_found_by_their_status_the_newest_first(client: Any, owner: asyncpg.Connection) -> None:
    old = await open_incident(owner, resolved=True)
    new = await open_incident(owner)
    for statuses, expected in (
        (None, [new, old]),
        (["OPEN"], [new]),
        (["RESOLVED"], [old]),
        (["OPEN", "RESOLVED"], [new, old]),
        (["ACKNOWLEDGED"], []),
    ):
        found = await client.data(LIST, status=statuses)
        assert [incident["id"] for incident in found["nodes"]] == expected


async def test_incidents_are_found_by_their_check_and_site(client: Any, owner: asyncpg.Connection, check: str) -> None:
    incident = await open_incident(owner)
    other = await client.create_check(await client.create_site("blog"))
    site = (await client.data("query ($id: ID!) { check(id: $id) { site { id } } }", id=check))["site"]["id"]
    query = "query ($check: ID, $site: ID) { incidents(checkId: $check, siteId: $site) { nodes { id } } }"
    assert await client.data(query, check=check, site=site) == {"nodes": [{"id": incident}]}
    assert await client.data(query, check=other) == {"nodes": []}


@pytest.mark.usefixtures("check")
async def test_pages_of_incidents_go_back_in_time(client: Any, owner: asyncpg.Connection) -> None:
    incidents = [await open_incident(owner, resolved=True) for _ in range(3)]
    query = "query ($after: String) { incidents(first: 2, after: $after) { nodes { id } pageInfo { endCursor } } }"
    first = await client.data(query)
    second = await client.data(query, after=first["pageInfo"]["endCursor"])
    assert [incident["id"] for incident in first["nodes"] + second["nodes"]] == incidents[::-1]


async def test_the_incident_of_a_deleted_check_still_names_it(
    client: Any, owner: asyncpg.Connection, check: str
) -> None:
    await open_incident(owner)
    await client.data("mutation ($id: ID!) { deleteCheck(id: $id) { __typename } }", id=check)
    (incident,) = (await client.data("{ incidents { nodes { status resolution check { name deletedAt } } } }"))["nodes"]
    assert (incident["status"], incident["resolution"], incident["check"]["name"]) == (
        "RESOLVED",
        "DELETED",
        "front page",
    )
    assert incident["check"]["deletedAt"]


@pytest.mark.usefixtures("check")
async def test_the_story_of_an_incident_has_pages(client: Any, owner: asyncpg.Connection) -> None:
    incident = await open_incident(owner)
    for text in "abc":
        await client.data(COMMENT, id=incident, text=text)
    query = """query ($id: ID!, $after: String) { incident(id: $id) {
        events(first: 2, after: $after) { nodes { message } pageInfo { endCursor hasNextPage } } } }"""
    first = (await client.data(query, id=incident))["events"]
    second = (await client.data(query, id=incident, after=first["pageInfo"]["endCursor"]))["events"]
    assert [entry["message"] for entry in first["nodes"] + second["nodes"]] == ["got 503", "a", "b", "c"]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
