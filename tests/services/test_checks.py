"""What changing a check does to its versions, its state and its incident."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise

import asyncpg
import pytest

from tocsin.domain.definitions import DefinitionFields
from tocsin.domain.errors import NotFoundError
from tocsin.domain.schedule import MILLISECOND
from tocsin.services import checks
from tocsin.services.courses import schedule_version

pytestmark = pytest.mark.usefixtures("api_orm")

ORGANIZATION, SITE = 1, 1
FIELDS: DefinitionFields = {"name": "front", "target": ("http", {"url": "https://example.com/"})}
OTHER_TARGET: DefinitionFields = {"target": ("tcp", {"host": "example.com", "port": 22})}


@pytest.fixture
async def check(organization: int) -> int:
    return await checks.create_check(organization, SITE, {**FIELDS, "interval_seconds": 1})


async def versions(owner: asyncpg.Connection, check: int) -> list[asyncpg.Record]:
    return await owner.fetch("SELECT * FROM check_versions WHERE check_id = $1 ORDER BY revision", check)


async def state(owner: asyncpg.Connection, check: int) -> asyncpg.Record:
    row = await owner.fetchrow("SELECT * FROM check_states WHERE check_id = $1", check)
    assert row is not None
    return row


async def open_incident(owner: asyncpg.Connection, check: int) -> int:
    incident: int = await owner.fetchval(
        "INSERT INTO incidents (organization_id, check_id, opened_at, detected_at) VALUES (1, $1, now(), now())"
        " RETURNING id",
        check,
    )
    return incident


async def resolution(owner: asyncpg.Connection, incident: int) -> str | None:
    found: str | None = await owner.fetchval("SELECT resolution FROM incidents WHERE id = $1", incident)
    return found


async def news(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    return await owner.fetch("SELECT number, status_change_ids, incident_event_ids FROM events ORDER BY number")


async def test_a_new_check_is_due_three_seconds_later(owner: asyncpg.Connection, check: int) -> None:
    (version,) = await versions(owner, check)
    created_at: datetime = await owner.fetchval("SELECT created_at FROM checks WHERE id = $1", check)
    assert version["valid_from"] == created_at + timedelta(seconds=3)
    assert version["valid_from"].microsecond % 1000 == 0


async def test_a_new_check_folds_from_its_first_slot_on(owner: asyncpg.Connection, check: int) -> None:
    (version,) = await versions(owner, check)
    row = await state(owner, check)
    assert (row["status"], row["folded_through"]) == ("PENDING", version["valid_from"] - MILLISECOND)


async def test_versions_follow_one_another_without_a_gap(owner: asyncpg.Connection, check: int) -> None:
    for seconds in (2, 3, 4):
        await checks.update_check(ORGANIZATION, check, {"interval_seconds": seconds}, "somebody")
    rows = await versions(owner, check)
    assert [row["revision"] for row in rows] == [1, 2, 3, 4]
    assert all(row["valid_to"] == later["valid_from"] for row, later in pairwise(rows))
    assert all(row["valid_from"] <= row["valid_to"] for row in rows[:-1])


async def test_edits_at_the_same_time_leave_one_line_of_versions(owner: asyncpg.Connection, check: int) -> None:
    edits = [checks.update_check(ORGANIZATION, check, {"interval_seconds": n}, "somebody") for n in range(2, 8)]
    await asyncio.gather(*edits)
    rows = [schedule_version(row) for row in await versions(owner, check)]
    assert [row.revision for row in rows] == list(range(1, 8))
    assert all(row.valid_to == later.valid_from for row, later in pairwise(rows))


async def test_an_edit_after_a_step_of_the_clock_ends_no_version_before_it_began(
    owner: asyncpg.Connection, check: int
) -> None:
    later = "UPDATE check_versions SET valid_from = valid_from + interval '1 hour' WHERE check_id = $1"
    await owner.execute(later, check)
    await checks.update_check(ORGANIZATION, check, {"interval_seconds": 2}, "somebody")
    first, second = await versions(owner, check)
    assert first["valid_from"] == first["valid_to"] == second["valid_from"]


@pytest.mark.parametrize(
    "changes", [{"name": "back"}, {"labels": [("a", "b")]}, {"interval_seconds": 1}, dict(FIELDS), {}]
)
async def test_what_defines_nothing_new_makes_no_version(
    owner: asyncpg.Connection, check: int, changes: DefinitionFields
) -> None:
    await checks.update_check(ORGANIZATION, check, changes, "somebody")
    assert len(await versions(owner, check)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"interval_seconds": 2},
        {"schedule": {"cron": "* * * * *", "time_zone": "UTC"}},
        {"timeout_seconds": 0.5},
        {"failure_threshold": 1},
        {"success_threshold": 1},
    ],
)
async def test_another_schedule_makes_a_version_and_keeps_the_status(
    owner: asyncpg.Connection, check: int, changes: DefinitionFields
) -> None:
    await owner.execute("UPDATE check_states SET status = 'DOWN', decided = 'DOWN'")
    incident = await open_incident(owner, check)
    await checks.update_check(ORGANIZATION, check, changes, "somebody")
    assert len(await versions(owner, check)) == 2
    assert (await state(owner, check))["status"] == "DOWN"
    assert await resolution(owner, incident) is None


async def test_a_new_target_starts_at_pending_and_closes_the_incident(owner: asyncpg.Connection, check: int) -> None:
    await owner.execute("UPDATE check_states SET status = 'DOWN', decided = 'DOWN', run_length = 1")
    incident = await open_incident(owner, check)
    await checks.update_check(ORGANIZATION, check, OTHER_TARGET, "somebody")
    _, version = await versions(owner, check)
    row = await state(owner, check)
    assert (row["status"], row["decided"], row["run_length"]) == ("PENDING", "PENDING", 0)
    assert row["folded_through"] == version["valid_from"] - MILLISECOND
    assert await resolution(owner, incident) == "TARGET_CHANGED"


async def test_a_new_target_of_a_paused_check_leaves_it_paused(owner: asyncpg.Connection, check: int) -> None:
    await checks.pause_check(ORGANIZATION, check, "somebody")
    await checks.update_check(ORGANIZATION, check, OTHER_TARGET, "somebody")
    assert (await state(owner, check))["status"] == "PAUSED"


async def test_pausing_closes_the_incident_and_is_news(owner: asyncpg.Connection, check: int) -> None:
    await owner.execute("UPDATE check_states SET status = 'DOWN', decided = 'DOWN'")
    incident = await open_incident(owner, check)
    await checks.pause_check(ORGANIZATION, check, "somebody")
    assert await resolution(owner, incident) == "PAUSED"
    (event,) = await news(owner)
    assert (len(event["status_change_ids"]), len(event["incident_event_ids"])) == (1, 1)
    assert await owner.fetchval("SELECT actor FROM incident_events") == "somebody"


async def test_a_paused_check_has_nothing_due(owner: asyncpg.Connection, check: int) -> None:
    await checks.pause_check(ORGANIZATION, check, "somebody")
    _, version = await versions(owner, check)
    assert version["paused"]


async def test_pausing_and_resuming_twice_changes_nothing(owner: asyncpg.Connection, check: int) -> None:
    for change in (checks.resume_check, checks.pause_check, checks.pause_check, checks.resume_check):
        await change(ORGANIZATION, check, "somebody")
    assert len(await versions(owner, check)) == 3
    assert [event["number"] for event in await news(owner)] == [1, 2]


async def test_deleting_ends_the_versions_and_closes_the_incident(owner: asyncpg.Connection, check: int) -> None:
    incident = await open_incident(owner, check)
    await checks.delete_check(ORGANIZATION, check, "somebody")
    (version,) = await versions(owner, check)
    assert version["valid_to"] < version["valid_from"] + timedelta(minutes=1)
    assert await resolution(owner, incident) == "DELETED"
    assert (await state(owner, check))["folded_through"] == version["valid_to"] - MILLISECOND


async def test_a_deleted_check_cannot_be_changed(check: int) -> None:
    await checks.delete_check(ORGANIZATION, check, "somebody")
    for change in (checks.delete_check, checks.pause_check, checks.resume_check):
        with pytest.raises(NotFoundError):
            await change(ORGANIZATION, check, "somebody")


async def test_the_check_of_another_organization_cannot_be_changed(owner: asyncpg.Connection, check: int) -> None:
    await owner.execute("INSERT INTO organizations (id, name) VALUES (2, 'two')")
    with pytest.raises(NotFoundError):
        await checks.update_check(2, check, {"name": "mine"}, "somebody")


async def test_a_cron_expression_has_its_instants_for_two_hours(owner: asyncpg.Connection, organization: int) -> None:
    schedule: DefinitionFields = {"schedule": {"cron": "* * * * *", "time_zone": "UTC"}}
    check = await checks.create_check(organization, SITE, {**FIELDS, **schedule})
    (version,) = await versions(owner, check)
    slots = [row["slot"] for row in await owner.fetch("SELECT slot FROM cron_instants ORDER BY slot")]
    assert len(slots) == 120
    assert slots[0] >= version["valid_from"]
    assert version["expanded_to"] == version["valid_from"] + timedelta(hours=2)


async def test_another_cron_expression_replaces_the_instants_that_are_to_come(
    owner: asyncpg.Connection, organization: int
) -> None:
    every_minute: DefinitionFields = {"schedule": {"cron": "* * * * *", "time_zone": "UTC"}}
    every_hour: DefinitionFields = {"schedule": {"cron": "0 * * * *", "time_zone": "UTC"}}
    check = await checks.create_check(organization, SITE, {**FIELDS, **every_minute})
    await checks.update_check(ORGANIZATION, check, every_hour, "somebody")
    _, version = await versions(owner, check)
    rows = await owner.fetch("SELECT slot, revision FROM cron_instants WHERE slot >= $1", version["valid_from"])
    assert len(rows) == 2
    assert {(row["revision"], row["slot"].minute) for row in rows} == {(2, 0)}


async def test_a_paused_cron_expression_has_no_instants_to_come(owner: asyncpg.Connection, organization: int) -> None:
    schedule: DefinitionFields = {"schedule": {"cron": "* * * * *", "time_zone": "UTC"}}
    check = await checks.create_check(organization, SITE, {**FIELDS, **schedule})
    await checks.pause_check(ORGANIZATION, check, "somebody")
    _, version = await versions(owner, check)
    assert not await owner.fetchval("SELECT count(*) FROM cron_instants WHERE slot >= $1", version["valid_from"])


async def test_equal_requests_at_the_same_time_make_one_check(owner: asyncpg.Connection, organization: int) -> None:
    made = await asyncio.gather(*(checks.create_check(organization, SITE, FIELDS, key="k") for _ in range(6)))
    assert len(set(made)) == 1
    assert await owner.fetchval("SELECT count(*) FROM checks") == 1


async def test_a_check_is_not_made_in_a_site_that_is_deleted_meanwhile(
    owner: asyncpg.Connection, organization: int
) -> None:
    async with owner.transaction():
        await owner.execute("UPDATE sites SET deleted_at = now()")
        creation = asyncio.create_task(checks.create_check(organization, SITE, FIELDS))
        await asyncio.sleep(0.1)
    with pytest.raises(NotFoundError):
        await creation
