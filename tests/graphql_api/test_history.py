"""What a check went through, through the API."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from graphql_api.ids import key_of
from tocsin.services.partitions import ensure_partitions

RESULTS = """
query ($id: ID!, $first: Int! = 20, $after: String, $between: TimeRange) { check(id: $id) {
    results(first: $first, after: $after, between: $between) {
        pageInfo { hasNextPage endCursor }
        nodes {
            slot startedAt durationMs outcome reason message statusCode location address certificateExpiresAt
            phases { resolveMs connectMs tlsMs processingMs transferMs }
        } } } }
"""


@pytest.fixture
async def check(client: Any, owner: asyncpg.Connection) -> str:
    await ensure_partitions(owner, datetime.now(UTC))
    return str(await client.create_check(await client.create_site()))


def minute(number: int) -> datetime:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return now - timedelta(minutes=10 - number)


STORE = """
INSERT INTO results (check_id, slot, started_at, organization_id, revision, duration_us, connect_us, location_id,
                     outcome, reason, status_code, address, message)
SELECT id, $2, $2, organization_id, 1, 12345, 678, 1, $3, $4, 503, '::1', 'got 503' FROM checks WHERE id = $1
"""


async def store(
    owner: asyncpg.Connection, check: str, slot: datetime, outcome: int = 1, reason: int | None = None
) -> None:
    await owner.execute(STORE, key_of("check", check), slot, outcome, reason)


async def results(client: Any, check: str, **variables: Any) -> Any:
    return (await client.data(RESULTS, id=check, **variables))["results"]


async def test_a_result_tells_what_was_seen(client: Any, owner: asyncpg.Connection, check: str) -> None:
    slot = minute(0)
    await store(owner, check, slot, outcome=3, reason=5)
    assert (await results(client, check))["nodes"] == [
        {
            "slot": slot.isoformat(),
            "startedAt": slot.isoformat(),
            "durationMs": 12.345,
            "outcome": "FAILURE",
            "reason": "STATUS",
            "message": "got 503",
            "statusCode": 503,
            "location": "default",
            "address": "::1",
            "certificateExpiresAt": None,
            "phases": {"resolveMs": None, "connectMs": 0.678, "tlsMs": None, "processingMs": None, "transferMs": None},
        }
    ]


async def test_what_was_missed_never_started(client: Any, owner: asyncpg.Connection, check: str) -> None:
    await store(owner, check, minute(0), outcome=4, reason=13)
    (missed,) = (await results(client, check))["nodes"]
    assert (missed["outcome"], missed["startedAt"], missed["durationMs"]) == ("MISSED", None, None)


async def test_pages_of_results_go_back_in_time(client: Any, owner: asyncpg.Connection, check: str) -> None:
    slots = [minute(number) for number in range(5)]
    for slot in slots:
        await store(owner, check, slot)
    seen, after, more = [], None, True
    while more:
        page = await results(client, check, first=2, after=after)
        seen += [result["slot"] for result in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == [slot.isoformat() for slot in reversed(slots)]


async def test_results_of_a_period(client: Any, owner: asyncpg.Connection, check: str) -> None:
    for number in range(4):
        await store(owner, check, minute(number))
    period = {"since": minute(1).isoformat(), "until": minute(3).isoformat()}
    found = await results(client, check, between=period)
    assert [result["slot"] for result in found["nodes"]] == [minute(2).isoformat(), minute(1).isoformat()]


@pytest.mark.parametrize(
    ("since", "until", "path"),
    [
        ("2026-01-01T00:00:00", "2026-01-02T00:00:00Z", "between.since"),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00", "between.until"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "between.until"),
    ],
)
async def test_a_period_has_a_beginning_and_an_end(client: Any, check: str, since: str, until: str, path: str) -> None:
    error = await client.error(RESULTS, id=check, between={"since": since, "until": until})
    assert (error["extensions"]["code"], error["extensions"]["problems"][0]["path"]) == ("INVALID_INPUT", path)


async def test_uptime_latency_and_series_are_told(client: Any, owner: asyncpg.Connection, check: str) -> None:
    for number in range(3):
        await store(owner, check, minute(number), outcome=1 if number else 3)
    query = """query ($id: ID!) { check(id: $id) {
        uptime(window: HOUR) { ratio slotRatio times { excludedSeconds } slots { successes failures } }
        latency(window: HOUR) { count p50 p99 }
        series(window: HOUR, buckets: 6) { start end slots { successes } latency { p95 } } } }"""
    told = await client.data(query, id=check)
    assert told["uptime"]["slots"] == {"successes": 2, "failures": 1}
    assert told["uptime"]["slotRatio"] == pytest.approx(2 / 3)
    assert told["latency"]["count"] == 3
    assert told["latency"]["p50"] == pytest.approx(12.3, rel=0.1)
    assert sum(bucket["slots"]["successes"] for bucket in told["series"]) == 2
    assert len(told["series"]) == 6


@pytest.mark.parametrize("buckets", [0, -1, 201, 10**8])
async def test_a_series_has_few_parts(client: Any, check: str, buckets: int) -> None:
    error = await client.error(f'{{ check(id: "{check}") {{ series(buckets: {buckets}) {{ start }} }} }}')
    assert (error["extensions"]["code"], error["extensions"]["problems"][0]["path"]) == ("INVALID_INPUT", "buckets")


async def test_a_run_waits_for_what_it_brings(client: Any, owner: asyncpg.Connection, check: str) -> None:
    query = """mutation ($id: ID!) { runCheck(id: $id) { __typename ... on CheckRun {
        requestedAt check { id } result { outcome durationMs location } } } }"""
    asked = asyncio.create_task(client.data(query, id=check))
    finish = "UPDATE runs SET finished_at = now(), started_at = now(), outcome = 1, duration_us = 2500 RETURNING id"
    while await owner.fetchval(finish) is None:  # noqa: ASYNC110 - the row comes from the application
        await asyncio.sleep(0.01)
    run = await asked
    assert run["result"] == {"outcome": "SUCCESS", "durationMs": 2.5, "location": "default"}
    assert run["check"] == {"id": check}


async def test_a_run_that_nobody_does_has_no_result(client: Any, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    monkeypatch.setattr("tocsin.services.runs.GRACE", timedelta(seconds=-10))
    query = "mutation ($id: ID!) { runCheck(id: $id) { ... on CheckRun { result { outcome } } } }"
    assert await client.data(query, id=check) == {"result": None}


async def test_any_object_is_found_by_its_id(client: Any, owner: asyncpg.Connection, check: str) -> None:
    await owner.execute(
        "INSERT INTO incidents (organization_id, check_id, opened_at, detected_at)"
        " SELECT organization_id, id, now(), now() FROM checks"
    )
    await client.data('mutation { commentIncident(id: "aW5jaWRlbnQ6MQ", text: "hm") { __typename } }')
    query = """{ check: checks { nodes { id } } site: sites { nodes { id } }
        incident: incidents { nodes { id events { nodes { id } } } } viewer { organization { id } } }"""
    found = await client.data(query)
    (incident,) = found["incident"]["nodes"]
    ids = {
        "Check": found["check"]["nodes"][0]["id"],
        "Site": found["site"]["nodes"][0]["id"],
        "Incident": incident["id"],
        "IncidentEntry": incident["events"]["nodes"][0]["id"],
        "Organization": found["viewer"]["organization"]["id"],
    }
    for kind, key in ids.items():
        assert await client.data("query ($id: ID!) { node(id: $id) { __typename id } }", id=key) == {
            "__typename": kind,
            "id": key,
        }


async def test_equal_reads_of_one_operation_see_one_moment(client: Any, check: str) -> None:
    query = "{ a: checks { nodes { uptime { until } } } b: checks { nodes { uptime { until } } } }"
    found = await client.data(query)
    assert found["a"] == found["b"]
    assert check
