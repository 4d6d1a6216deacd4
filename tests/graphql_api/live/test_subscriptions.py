"""What subscriptions bring, over graphql-transport-ws."""

import pytest

from graphql_api.ids import global_id
from tests.graphql_api.live.harness import NOON, RESULTS, Api, World

STATUS_CHANGES = """
subscription ($after: String) { statusChanges(after: $after) { cursor check { name status } from to at reason } }
"""
INCIDENT_EVENTS = """
subscription ($after: String) { incidentEvents(after: $after) {
    cursor kind at message actor incident { status openedAt cause check { name } events { nodes { kind } } } } }
"""


async def test_a_result_arrives_with_its_check(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(after=client.start_cursor)
        (slot,) = await world.report()
        event = await client.next()
        assert event["result"] == {"slot": slot, "outcome": "SUCCESS", "location": "default"}
        assert event["check"] == {"id": world.check(0), "name": "check 0"}


async def test_a_status_change_says_from_what_to_what(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(STATUS_CHANGES, after=client.start_cursor)
        await world.go_down()
        event = await client.next()
        assert (event["from"], event["to"], event["reason"]) == ("UP", "DOWN", "TIMEOUT")
        assert (event["at"], event["check"]["name"]) == (NOON.isoformat(), "check 0")


async def test_an_incident_event_leads_to_its_incident_and_what_that_knows(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(INCIDENT_EVENTS, after=client.start_cursor)
        await world.go_down()
        event = await client.next()
        assert (event["kind"], event["actor"]) == ("OPENED", None)
        assert event["incident"] == {
            "status": "OPEN",
            "openedAt": NOON.isoformat(),
            "cause": "TIMEOUT",
            "check": {"name": "check 0"},
            "events": {"nodes": [{"kind": "OPENED"}]},
        }


async def test_news_arrives_without_the_doorbell(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(after=client.start_cursor)
        await api.joined()
        slots = await world.report(ring=False)
        assert await client.slots(1) == slots


@pytest.mark.parametrize("only", ["check", "site"])
async def test_a_subscription_can_be_for_one_check_or_site(api: Api, world: World, only: str) -> None:
    wanted = {"check": world.check(1)} if only == "check" else {"site": world.site(1)}
    async with api.client(world.token) as client:
        await client.subscribe(**wanted)
        await api.joined()
        await world.report(check=0)
        slots = await world.report(check=1)
        assert await client.slots(1) == slots


async def test_a_check_of_another_site_brings_nothing(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(check=world.check(0), site=world.site(1))
        await client.subscribe(operation_id="2")
        await api.joined(2)
        await world.report(check=0)
        assert (await client.receive())["id"] == "2"
        await client.send(type="ping")
        assert (await client.receive())["type"] == "pong"


@pytest.mark.parametrize("argument", ["check", "site"])
async def test_what_another_organization_owns_is_not_found_like_what_never_was(
    api: Api, world: World, other_world: World, argument: str
) -> None:
    foreign = other_world.check(0) if argument == "check" else other_world.site(0)
    errors = []
    async with api.client(world.token) as client:
        for wanted in (foreign, global_id(argument, 999), global_id("incident", 1), "nonsense"):
            await client.subscribe(**{argument: wanted})
            errors.append((await client.receive())["payload"][0])
    assert {error["extensions"]["code"] for error in errors} == {"NOT_FOUND"}
    assert len({error["message"] for error in errors}) == 1


async def test_events_of_other_organizations_never_arrive(api: Api, world: World, other_world: World) -> None:
    async with api.client(world.token) as client, api.client(other_world.token) as other_client:
        await client.subscribe()
        await other_client.subscribe()
        await api.joined(2)
        for _ in range(5):
            await other_world.report()
        await world.report(check=1)
        assert {(await other_client.next())["check"]["id"] for _ in range(5)} == {other_world.check(0)}
        assert (await client.next())["check"]["id"] == world.check(1)


async def test_queries_and_mutations_work_over_the_socket(api: Api, world: World) -> None:
    mutation = 'mutation { createSite(input: {name: "new"}) { ... on Site { name } } }'
    async with api.client(world.token) as client:
        await client.subscribe(mutation)
        assert (await client.next()) == {"name": "new"}
        assert await client.receive() == {"type": "complete", "id": "1"}
        await client.subscribe("{ viewer { organization { name } } }")
        assert (await client.next()) == {"organization": {"name": "acme"}}


async def test_a_token_that_reads_cannot_change_anything_over_the_socket(api: Api, world: World) -> None:
    async with api.client(world.reading_token) as client:
        await client.subscribe('mutation { createSite(input: {name: "new"}) { __typename } }')
        assert await client.next() == {"__typename": "Forbidden"}


BAD_OPERATIONS = [
    ("subscription {", "GRAPHQL_PARSE_FAILED"),
    ("subscription { checkResult { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
    ("subscription { checkResults { cursor } statusChanges { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
    ("subscription { checkResults(after: 5) { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
    ("subscription ($n: Int!) { checkResults { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
    ("{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(100)) + " }", "LIMIT_EXCEEDED"),
    ("", "BAD_REQUEST"),
]


async def test_a_bad_operation_is_refused_with_a_code(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        for query, code in BAD_OPERATIONS:
            await client.subscribe(query)
            assert await client.error() == code, query
        await client.subscribe(RESULTS)
        await api.joined()


async def test_two_subscriptions_of_one_socket_are_told_apart_by_their_ids(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(operation_id="a")
        await client.subscribe(operation_id='quoted "\u00e9"')
        await api.joined(2)
        await world.report()
        assert {(await client.receive())["id"] for _ in range(2)} == {"a", 'quoted "\u00e9"'}


async def test_nothing_arrives_after_complete(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe()
        await api.joined()
        await client.send(type="complete", id="1")
        await api.joined(0)
        await world.report()
        await client.send(type="ping")
        assert (await client.receive())["type"] == "pong"
