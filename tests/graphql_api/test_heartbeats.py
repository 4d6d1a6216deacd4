"""What reports in, through the API."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.graphql_api.conftest import Client

CREATE = """
mutation ($input: CreateCheckInput!) { createCheck(input: $input) {
    __typename ... on Check { id intervalSeconds failureThreshold successThreshold heartbeat { key pingUrl } }
    ... on InvalidInput { problems { path message } } } }
"""
SHOW = """
query ($id: ID!) { check(id: $id) { kind heartbeat {
    key pingUrl reportCount runningSince lastReport { kind payload runSeconds exitCode }
    reports(first: 2) { kind payload runId source } } } }
"""
RENEW = """
mutation ($id: ID!) { renewHeartbeatKey(id: $id) {
    __typename ... on Check { heartbeat { key } } ... on Problem { message } } }
"""


async def create(client: Client, **target: Any) -> Any:
    site = await client.create_site()
    target = target or {"periodSeconds": 300}
    return await client.data(CREATE, input={"siteId": site, "name": "job", "target": {"heartbeat": target}})


async def test_who_makes_a_check_learns_where_to_report(client: Client) -> None:
    made = await create(client)
    key = UUID(made["heartbeat"]["key"])
    assert made["heartbeat"]["pingUrl"] == f"http://127.0.0.1:8001/{key}"


async def test_its_slots_come_every_ten_seconds_and_one_decides(client: Client) -> None:
    made = await create(client)
    assert (made["intervalSeconds"], made["failureThreshold"], made["successThreshold"]) == (10, 1, 1)


_FIELDS = '{ __type(name: "CreateCheckInput") { inputFields { name description } } }'


async def test_other_defaults_of_heartbeats_are_told(client: Client) -> None:
    given = (await client.data(_FIELDS))["inputFields"]
    told = {each["name"]: each["description"] for each in given}
    assert told["intervalSeconds"].endswith("60 when neither is given, or 10 of a heartbeat.")
    assert told["failureThreshold"].endswith("When absent: 3, or 1 of a heartbeat.")
    assert told["successThreshold"].endswith("When absent: 2, or 1 of a heartbeat.")


async def test_two_checks_have_two_keys(client: Client) -> None:
    site = await client.create_site()
    fields = {"siteId": site, "name": "job", "target": {"heartbeat": {"cron": "30 2 * * *"}}}
    keys = {(await client.data(CREATE, input=fields))["heartbeat"]["key"] for _ in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("target", "path", "message"),
    [
        ({}, "target.heartbeat", "must have exactly one of periodSeconds, cron"),
        (
            {"periodSeconds": 60, "cron": "* * * * *"},
            "target.heartbeat",
            "must have exactly one of periodSeconds, cron",
        ),
        (
            {"periodSeconds": 60, "timeZone": "UTC"},
            "target.heartbeat.timeZone",
            "is for cron alone; leave it out, or give cron instead of periodSeconds",
        ),
        ({"cron": "30 25 * * *", "timeZone": "UTC"}, "target.heartbeat.cron", "has a bad hour; write 0 to 23"),
        (
            {"cron": "30 2 * * *", "timeZone": "Mars/Olympus"},
            "target.heartbeat.timeZone",
            "must be a time zone of the IANA database, such as Europe/Berlin or UTC",
        ),
        ({"periodSeconds": 0}, "target.heartbeat.periodSeconds", "must be at least 1"),
    ],
)
async def test_what_is_wrong_with_a_heartbeat_is_named(
    client: Client, target: dict[str, Any], path: str, message: str
) -> None:
    site = await client.create_site()
    fields = {"siteId": site, "name": "job", "target": {"heartbeat": target}}
    refused = await client.data(CREATE, input=fields)
    assert refused["problems"] == [{"path": path, "message": message}]


async def test_who_may_only_read_sees_reports_but_no_key(client: Client, reader: Client) -> None:
    made = await create(client)
    shown = await reader.data(SHOW, id=made["id"])
    assert (shown["heartbeat"]["key"], shown["heartbeat"]["pingUrl"]) == (None, None)
    assert shown["heartbeat"]["reports"] == []


async def test_a_renewed_key_is_another_one(client: Client, owner: asyncpg.Connection) -> None:
    made = await create(client)
    renewed = await client.data(RENEW, id=made["id"])
    assert renewed["heartbeat"]["key"] != made["heartbeat"]["key"]
    known = await owner.fetchval("SELECT key::text FROM heartbeats")
    assert known == renewed["heartbeat"]["key"]


async def test_who_may_only_read_renews_no_key(client: Client, reader: Client) -> None:
    made = await create(client)
    assert (await reader.data(RENEW, id=made["id"]))["__typename"] == "Forbidden"


async def test_nobody_renews_the_key_of_another_organization(client: Client, stranger: Client) -> None:
    made = await create(client)
    assert (await stranger.data(RENEW, id=made["id"]))["__typename"] == "NotFound"


async def test_a_check_of_another_kind_has_no_key_to_renew(client: Client) -> None:
    check = await client.create_check(await client.create_site())
    refused = {"__typename": "Conflict", "message": "The check is no heartbeat but of the kind http, which has no key."}
    assert await client.data(RENEW, id=check) == refused
    assert (await client.data(SHOW, id=check))["heartbeat"] is None


_REPORTED = """
UPDATE heartbeats SET reports = 3, kind = 'FAILURE', received_at = now(), exit_code = 4, run_time_ms = 1500,
    size = 4, payload = 'disk', open_runs = '[[null, "2026-11-21T12:00:00+00:00"]]'
"""
_REPORTS = """
INSERT INTO heartbeat_reports (check_id, place, organization_id, number, kind, received_at, source, size, payload)
SELECT check_id, n, organization_id, n, 'LOG', now(), 'MQTT', 2, 'n' || n FROM heartbeats, generate_series(1, 3) n
"""


async def test_what_reported_in_is_shown(client: Client, owner: asyncpg.Connection) -> None:
    made = await create(client)
    await owner.execute(_REPORTED)
    await owner.execute(_REPORTS)
    shown = (await client.data(SHOW, id=made["id"]))["heartbeat"]
    assert shown["lastReport"] == {"kind": "FAILURE", "payload": "disk", "runSeconds": 1.5, "exitCode": 4}
    assert [report["payload"] for report in shown["reports"]] == ["n3", "n2"]
    assert (shown["reportCount"], len(shown["runningSince"])) == (3, 1)


async def test_a_check_that_becomes_a_heartbeat_gets_a_key(client: Client) -> None:
    check = await client.create_check(await client.create_site())
    update = "mutation ($id: ID!, $input: UpdateCheckInput!) { updateCheck(id: $id, input: $input) { __typename } }"
    await client.data(update, id=check, input={"target": {"heartbeat": {"periodSeconds": 60}}})
    assert (await client.data(SHOW, id=check))["heartbeat"]["key"]
