"""Checks that move: the check's own state goes on, wherever it is probed."""

from datetime import datetime

import asyncpg
import pytest

from tests.services.conftest import NOON, ORGANIZATION, SITE, result
from tests.services.test_locations import ASIA, EU, OUTCOMES, US, incidents, statuses
from tocsin.database import Connection
from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import NotFoundError
from tocsin.domain.observations import Outcome
from tocsin.domain.schedule import MILLISECOND
from tocsin.services import checks, runs
from tocsin.services.locations import UnknownLocationError
from tocsin.services.recording import record
from tocsin.services.run_claims import claim_run

pytestmark = pytest.mark.usefixtures("api_orm", "organization", "places")

FIELDS: DefinitionFields = {
    "name": "front",
    "target": ("http", {"url": "https://example.com/"}),
    "interval_seconds": 1,
}


async def create(**fields: object) -> int:
    return await checks.create_check(ORGANIZATION, SITE, {**FIELDS, **fields})  # type: ignore[typeddict-item]


async def edit(check_id: int, **changes: object) -> None:
    await checks.update_check(ORGANIZATION, check_id, changes, "somebody")  # type: ignore[arg-type]


_STATE = """
SELECT folded_through, interval_ms, phase_ms FROM check_states JOIN check_versions USING (check_id)
WHERE check_id = $1 AND location_id = $2 LIMIT 1
"""
_REVISION = "SELECT revision FROM check_versions WHERE check_id = $1 AND valid_from <= $2 AND $2 < valid_to"


async def report(owner: Connection, connection: Connection, check_id: int, place: int, trace: str) -> None:
    """Let the slots that come next end so."""
    state = await owner.fetchrow(_STATE, check_id, place)
    assert state is not None
    for slot, letter in zip(slots_after(state, len(trace)), trace, strict=True):
        revision = await owner.fetchval(_REVISION, check_id, slot)
        seen = result(check_id, slot, OUTCOMES[letter], location_id=place, revision=revision)
        await record(connection, [seen], slot)


def slots_after(state: asyncpg.Record, count: int) -> list[datetime]:
    every = state["interval_ms"]
    after = round(state["folded_through"].timestamp() * 1000) + 1
    first = after + (state["phase_ms"] - after) % every
    epoch = datetime.fromtimestamp(0, NOON.tzinfo)
    return [epoch + (first + every * number) * MILLISECOND for number in range(count)]


async def test_an_unknown_location_is_named(owner: Connection) -> None:
    with pytest.raises(UnknownLocationError) as refusal:
        await create(locations=["eu", "mars"])
    [problem] = refusal.value.problems
    assert problem.path == ("locations", 1)
    assert "start a worker there first, or take one of asia, default, eu, us" in problem.message


async def test_a_new_check_has_a_state_at_each_location(owner: Connection) -> None:
    spread = await create(locations=["us", "eu"])
    assert await statuses(owner, spread) == {0: "PENDING", EU: "PENDING", US: "PENDING"}
    assert await statuses(owner, await create(locations=["us"])) == {US: "PENDING"}
    assert await statuses(owner, await create()) == {1: "PENDING"}


async def test_a_second_location_leaves_the_status_and_the_incident(owner: Connection, connection: Connection) -> None:
    check_id = await create(locations=["eu"])
    await report(owner, connection, check_id, EU, "SFFF")
    await edit(check_id, locations=["eu", "us"], quorum="ALL")
    assert await statuses(owner, check_id) == {0: "DOWN", EU: "DOWN", US: "PENDING"}
    await report(owner, connection, check_id, US, "S")
    assert await statuses(owner, check_id) == {0: "DEGRADED", EU: "DOWN", US: "UP"}
    assert await incidents(owner) == [(check_id, "RECOVERED")]


async def test_the_last_location_goes_on_from_the_checks_own_status(owner: Connection, connection: Connection) -> None:
    check_id = await create(locations=["eu", "us"], quorum="ANY")
    await report(owner, connection, check_id, EU, "SFFF")
    await edit(check_id, locations=["us"], quorum="ANY")
    assert await statuses(owner, check_id) == {US: "DOWN"}
    await report(owner, connection, check_id, US, "SS")
    assert await incidents(owner) == [(check_id, "RECOVERED")]


async def test_a_check_that_moves_takes_its_status_along(owner: Connection, connection: Connection) -> None:
    check_id = await create(locations=["eu"])
    await report(owner, connection, check_id, EU, "S")
    await edit(check_id, locations=["us"])
    assert await statuses(owner, check_id) == {US: "UP"}


async def test_another_quorum_counts_from_the_next_result_on(owner: Connection, connection: Connection) -> None:
    check_id = await create(locations=["eu", "us"], quorum="ALL")
    for place, trace in ((US, "SSSS"), (EU, "SFFF")):
        await report(owner, connection, check_id, place, trace)
    await edit(check_id, quorum="ANY")
    assert (await statuses(owner, check_id))[0] == "DEGRADED"
    await report(owner, connection, check_id, US, "S")
    assert (await statuses(owner, check_id))[0] == "DOWN"
    assert await incidents(owner) == [(check_id, None)]


async def test_what_a_removed_location_still_brings_changes_nothing(owner: Connection, connection: Connection) -> None:
    check_id = await create(locations=["eu", "us"])
    await edit(check_id, locations=["us"])
    late = result(check_id, await owner.fetchval("SELECT now()"), Outcome.FAILURE, location_id=EU)
    assert await record(connection, [late], NOON) == {ORGANIZATION: 1}
    assert await statuses(owner, check_id) == {US: "PENDING"}


async def test_a_pause_freezes_all_locations_and_closes_the_incident(owner: Connection, connection: Connection) -> None:
    check_id = await create(locations=["eu", "us"], quorum="ANY")
    await report(owner, connection, check_id, EU, "SFFF")
    await checks.pause_check(ORGANIZATION, check_id, "somebody")
    assert set((await statuses(owner, check_id)).values()) == {"PAUSED"}
    assert await incidents(owner) == [(check_id, "PAUSED")]
    await checks.resume_check(ORGANIZATION, check_id, "somebody")
    assert set((await statuses(owner, check_id)).values()) == {"PENDING"}


async def test_a_run_is_taken_at_its_location(owner: Connection, connection: Connection) -> None:
    check_id = await create(locations=["us", "eu"])
    first, named = [await runs.request_run(ORGANIZATION, check_id, name) for name in (None, "eu")]
    assert (first.location, named.location) == ("us", "eu")
    assert await claim_run(connection, ASIA) is None
    taken = await claim_run(connection, EU)
    assert taken is not None
    assert taken.id == named.id
    with pytest.raises(NotFoundError, match="no such check at that location"):
        await runs.request_run(ORGANIZATION, check_id, "asia")
