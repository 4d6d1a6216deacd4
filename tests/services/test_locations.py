"""Checks at several locations: one transaction folds a location's slots and joins what all of them see."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.services.conftest import NOON, MakeCheck, result, slots_of_check
from tocsin.clock import PLAN_LEAD
from tocsin.database import Connection, Pool
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.services.check_rows import check_by_key
from tocsin.services.history import uptime
from tocsin.services.leases import Holder, claim_batches, load_slots
from tocsin.services.locations import (
    find_locations,
    location_states,
    register_location,
    show_location,
)
from tocsin.services.planning import CATCH_UP_LIMIT, plan_next_tick, start_ledger
from tocsin.services.recording import Result, record
from tocsin.services.sweeping import unplanned_slots, unprobed_slots

OUTCOMES = {"S": Outcome.SUCCESS, "F": Outcome.FAILURE, "D": Outcome.DEGRADED, "U": Outcome.UNKNOWN}
EU, US, ASIA = 2, 3, 4
SECOND = timedelta(seconds=1)

_STATES = """
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
SELECT check_id, unnest('{0,2,3,4}'::smallint[]), organization_id, folded_through, status, since, decided
FROM check_states WHERE check_id = $1 AND location_id = 1
"""

MakeSpreadCheck = Callable[..., Awaitable[int]]


@pytest.fixture
def make_spread_check(owner: Connection, make_check: MakeCheck, places: list[int]) -> MakeSpreadCheck:
    """Make a check that three locations probe every ten seconds."""

    async def make(quorum: str = "MAJORITY", every_seconds: int = 10) -> int:
        assert places == [EU, US, ASIA]
        check_id = await make_check(every_seconds)
        await owner.execute("UPDATE check_versions SET location_ids = '{2,3,4}' WHERE check_id = $1", check_id)
        await owner.execute("UPDATE checks SET location_ids = '{2,3,4}', quorum = $2 WHERE id = $1", check_id, quorum)
        await owner.execute(_STATES, check_id)
        await owner.execute("DELETE FROM check_states WHERE check_id = $1 AND location_id = 1", check_id)
        return check_id

    return make


async def seen_at(owner: Connection, check_id: int, location_id: int, trace: str) -> list[Result]:
    slots = await slots_of_check(owner, check_id, len(trace))
    return [
        result(check_id, slot, OUTCOMES[letter], location_id=location_id)
        for slot, letter in zip(slots, trace, strict=True)
    ]


async def statuses(owner: Connection, check_id: int) -> dict[int, str]:
    rows = await owner.fetch("SELECT location_id, status FROM check_states WHERE check_id = $1", check_id)
    return {row["location_id"]: row["status"] for row in rows}


async def incidents(owner: Connection) -> list[tuple[int, str | None]]:
    return [(row["check_id"], row["resolution"]) for row in await owner.fetch("SELECT * FROM incidents ORDER BY id")]


async def test_a_location_is_known_from_its_first_worker_on(connection: Connection) -> None:
    ids = [await register_location(connection, name) for name in ("default", "eu", "eu", "eu", "us")]
    assert ids == [1, 2, 2, 2, 3]
    assert [row["name"] for row in await find_locations(connection)] == ["default", "eu", "us"]


async def test_a_location_is_impaired_until_a_worker_that_was_says_otherwise(connection: Connection) -> None:
    eu = await register_location(connection, "eu")
    await show_location(connection, eu, NOON, recovered=False)
    await show_location(connection, eu, None, recovered=False)
    await show_location(connection, eu, NOON + SECOND, recovered=False)
    assert (await find_locations(connection))[1]["impaired_since"] == NOON
    await show_location(connection, eu, None, recovered=True)
    assert (await find_locations(connection))[1]["impaired_since"] is None


async def test_every_location_has_a_batch_and_takes_its_own(
    connection: Connection, make_spread_check: MakeSpreadCheck, make_check: MakeCheck
) -> None:
    spread, single = await make_spread_check(every_seconds=1), await make_check(1)
    await start_ledger(connection, NOON - SECOND)
    tick = await plan_next_tick(connection, NOON - PLAN_LEAD)
    assert tick is not None
    assert tick.slots == 4
    taken = {}
    for place in (1, EU, US, ASIA):
        [lease] = await claim_batches(connection, Holder(uuid4(), place), 0, NOON, most=10)
        taken[place] = [(due.check_id, due.location_id) for due in await load_slots(connection, lease)]
    assert taken == {1: [(single, 1)], **{place: [(spread, place)] for place in (EU, US, ASIA)}}


async def test_only_locations_where_a_worker_lives_get_hints(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    await make_spread_check(every_seconds=1)
    await owner.execute("UPDATE locations SET seen_at = now() - interval '1 hour' WHERE name = 'us'")
    await start_ledger(connection, NOON - SECOND)
    tick = await plan_next_tick(connection, NOON - PLAN_LEAD)
    assert tick is not None
    assert [name for name, _ in tick.hints] == ["eu", "asia"]


async def test_a_majority_that_is_down_opens_one_incident(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    check_id = await make_spread_check()
    for place, trace in ((ASIA, "SSSS"), (EU, "SFFF"), (US, "SFFF")):
        assert await incidents(owner) == []
        await record(connection, await seen_at(owner, check_id, place, trace), NOON)
    assert await statuses(owner, check_id) == {0: "DOWN", EU: "DOWN", US: "DOWN", ASIA: "UP"}
    await record(connection, await seen_at(owner, check_id, ASIA, "SFFF"), NOON)
    assert await incidents(owner) == [(check_id, None)]
    incident = await owner.fetchrow("SELECT * FROM incidents")
    assert incident is not None
    slots = await slots_of_check(owner, check_id, 4)
    assert (incident["opened_at"], incident["detected_at"]) == (slots[1], slots[3])
    assert (incident["cause"], incident["message"]) == ("STATUS", "got 503")


async def test_the_incident_ends_when_the_majority_is_back(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    check_id = await make_spread_check()
    for place, trace in ((ASIA, "SSSSSS"), (EU, "SFFFFF"), (US, "SFFFSS")):
        await record(connection, await seen_at(owner, check_id, place, trace[:4]), NOON)
        await record(connection, (await seen_at(owner, check_id, place, trace))[4:], NOON)
    assert await incidents(owner) == [(check_id, "RECOVERED")]
    assert (await statuses(owner, check_id))[0] == "DEGRADED"


async def test_news_tell_of_the_check_and_not_of_each_location(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    check_id = await make_spread_check("1")
    for place in (EU, US, ASIA):
        await record(connection, await seen_at(owner, check_id, place, "S"), NOON)
    told = await owner.fetchval("SELECT array_agg(id) FROM events, unnest(status_change_ids) AS id")
    changes = await owner.fetch("SELECT id, location_id, to_status FROM status_changes ORDER BY id")
    assert sorted(row["location_id"] for row in changes) == [0, EU, US, ASIA]
    assert told == [row["id"] for row in changes if row["location_id"] == 0]


async def test_a_check_shows_its_own_status_and_what_was_last_anywhere(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    check_id = await make_spread_check("ALL")
    await record(connection, await seen_at(owner, check_id, EU, "SS"), NOON)
    await record(connection, await seen_at(owner, check_id, US, "FFF"), NOON)
    row = await check_by_key(owner, check_id)
    assert row is not None
    assert (row["status"], row["last_message"]) == ("DEGRADED", "got 503")
    shown = [(each["name"], each["status"]) for each in await location_states(connection, [check_id])]
    assert shown == [("eu", "UP"), ("us", "DOWN"), ("asia", "PENDING")]


async def test_uptime_is_that_of_the_check_itself(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    check_id = await make_spread_check("2")
    await owner.execute("UPDATE rollup_progress SET rolled_up_to = $1", NOON)
    await owner.execute("INSERT INTO ticks (at) VALUES ($1)", NOON + timedelta(minutes=2))
    for place in (EU, US, ASIA):
        await record(connection, await seen_at(owner, check_id, place, "S" if place < ASIA else "FFF"), NOON)
    found = await uptime(owner, check_id, NOON, NOON + timedelta(minutes=1))
    assert found.times.down == timedelta(0)
    assert found.counts.failures == 3


@pytest.mark.parametrize("_", range(3))
async def test_locations_that_report_at_once_open_one_incident_each_check(
    engine_pool: Pool, owner: Connection, make_spread_check: MakeSpreadCheck, _: int
) -> None:
    check_ids = [await make_spread_check() for _ in range(12)]

    slots = {check_id: await slots_of_check(owner, check_id, 4) for check_id in check_ids}

    async def flush_all(place: int) -> None:
        for number, letter in enumerate("SFFF"):
            flush = [result(c, slots[c][number], OUTCOMES[letter], location_id=place) for c in check_ids]
            async with engine_pool.acquire() as connection:
                await record(connection, flush, NOON)

    await asyncio.gather(*(flush_all(place) for place in (EU, US, ASIA)))
    assert sorted(await incidents(owner)) == [(check_id, None) for check_id in check_ids]
    assert {(await statuses(owner, check_id))[0] for check_id in check_ids} == {"DOWN"}


async def test_of_two_locations_that_commit_one_after_the_other_the_later_sees_both(
    engine_pool: Pool, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    check_id = await make_spread_check()
    flushes = {place: await seen_at(owner, check_id, place, "SFFF") for place in (EU, US, ASIA)}
    async with engine_pool.acquire() as first, engine_pool.acquire() as second:
        await record(second, flushes[ASIA][:1], NOON)
        async with first.transaction():
            await record(first, flushes[EU], NOON)
            later = asyncio.create_task(record(second, flushes[US], NOON))
            await until_it_waits(owner, second)
        await later
    assert (await statuses(owner, check_id))[0] == "DOWN"
    assert await incidents(owner) == [(check_id, None)]


async def until_it_waits(owner: Connection, connection: Connection) -> None:
    """Until a statement of this connection waits for a lock."""
    waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    while not await owner.fetchval(waits, connection.get_server_pid()):  # noqa: ASYNC110 - the server knows
        await asyncio.sleep(0.01)


async def test_a_location_without_workers_turns_unknown_and_opens_nothing(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    check_id = await make_spread_check(every_seconds=1)
    await start_ledger(connection, NOON - SECOND)
    await plan_next_tick(connection, NOON - PLAN_LEAD)
    for place in (EU, US):
        await record(connection, await seen_at(owner, check_id, place, "S"), NOON)
    later = NOON + CATCH_UP_LIMIT + 2 * SECOND
    await record(connection, await unprobed_slots(connection, 0, later), later)
    assert await statuses(owner, check_id) == {0: "UP", EU: "UP", US: "UP", ASIA: "UNKNOWN"}
    assert await incidents(owner) == []


async def test_the_checks_own_state_is_never_behind_a_schedule(
    connection: Connection, owner: Connection, make_spread_check: MakeSpreadCheck
) -> None:
    await make_spread_check()
    await start_ledger(connection, NOON - SECOND)
    missed = await unplanned_slots(connection, NOON + timedelta(minutes=5))
    assert {each.location_id for each in missed} == {EU, US, ASIA}


async def test_an_impaired_location_opens_no_incident(
    connection: Connection, owner: Connection, make_check: MakeCheck
) -> None:
    check_id = await make_check()
    for slot in await slots_of_check(owner, check_id, 5):
        seen = Observation(Outcome.UNKNOWN, slot, SECOND, Reason.LOCATION_IMPAIRED, "the location reached none")
        await record(connection, [Result(check_id, slot, 1, 1, seen)], NOON)
    assert await statuses(owner, check_id) == {1: "UNKNOWN"}
    assert await incidents(owner) == []
