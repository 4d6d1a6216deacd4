"""What is let go, and what stays."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.database import Connection, Pool
from tocsin.services import retention
from tocsin.services.retention import expire
from tocsin.settings import Retention

NOW = datetime(2025, 3, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KEPT = Retention(results_days=30, history_days=400)

# How a row gets into each table, by the instant that its age is counted from.
_INSERTS = {
    "events": "INSERT INTO events VALUES (1, extract(epoch FROM $1::timestamptz), $1, '{}', '{}', '{}', '{}', '{}')",
    "idempotency_keys": "INSERT INTO idempotency_keys VALUES (1, 'createSite', $1::timestamptz::text, '', 1, $1)",
    "batches": """
        WITH made AS (
            INSERT INTO batches (tick_at, location_id, check_ids, revisions, offsets_ms)
            VALUES ($1, 1, '{}', '{}', '{}') RETURNING id
        )
        INSERT INTO batch_leases (batch_id, done_at) SELECT id, $1 FROM made
    """,
    "cron_instants": "INSERT INTO cron_instants VALUES ($1, 1, 1, 1)",
    "ticks": "INSERT INTO ticks (at) VALUES ($1)",
    "gaps": "INSERT INTO gaps (from_at, to_at, reason) VALUES ($1::timestamptz - interval '1 minute', $1, 'STOPPED')",
    "runs": """
        INSERT INTO runs (organization_id, check_id, revision, location_id, requested_at) VALUES (1, 1, 1, 1, $1)
    """,
    "check_versions": """
        INSERT INTO check_versions (check_id, revision, organization_id, valid_from, valid_to, kind, target, timeout_ms,
                                    failure_threshold, success_threshold, paused)
        VALUES (1, extract(epoch FROM $1::timestamptz), 1, '2020-01-01', $1, 'tcp', '{}', 1000, 3, 2, true)
    """,
    "results_hourly": "INSERT INTO results_hourly VALUES (1, $1, 1, 1, 1, 0, 0, 0, 0, 1, 1)",
    "incidents": """
        INSERT INTO incidents (organization_id, check_id, opened_at, detected_at, resolved_at, resolution)
        VALUES (1, 1, '2020-01-01', '2020-01-01', $1, 'RECOVERED')
    """,
    "status_changes": """
        INSERT INTO status_changes (organization_id, check_id, location_id, from_status, to_status, at)
        VALUES (1, 1, 0, 'UP', 'DOWN', $1)
    """,
}
_AGES = {
    "events": DAY,
    "idempotency_keys": DAY,
    "batches": HOUR,
    "cron_instants": HOUR,
    "ticks": 8 * DAY,
    "gaps": 30 * DAY,
    "runs": 30 * DAY,
    "check_versions": 30 * DAY,
    "results_hourly": 400 * DAY,
    "incidents": 400 * DAY,
}
_CHECK = """
INSERT INTO checks (id, organization_id, site_id, name, kind, target, interval_seconds, timeout_ms, failure_threshold,
                    success_threshold, deleted_at)
VALUES ($1, 1, 1, 'check', 'tcp', '{}', 60, 1000, 3, 2, $2)
"""


@pytest.fixture(autouse=True)
async def a_check(owner: Connection, organization: int) -> None:
    await owner.execute(_CHECK, organization, None)


async def count(owner: Connection, table: str) -> int:
    counted: int = await owner.fetchval(f"SELECT count(*) FROM {table}")
    return counted


@pytest.mark.parametrize("table", _AGES)
async def test_what_is_too_old_goes_and_what_is_younger_stays(
    connection: Connection, owner: Connection, table: str
) -> None:
    oldest_kept = NOW - _AGES[table]
    for at in (oldest_kept - DAY, oldest_kept - timedelta(seconds=1), oldest_kept):
        await owner.execute(_INSERTS[table], at)
    assert (await expire(connection, NOW, KEPT))[table] == 2
    assert await count(owner, table) == 1


async def test_nothing_is_deleted_twice(connection: Connection, owner: Connection) -> None:
    for table, age in _AGES.items():
        await owner.execute(_INSERTS[table], NOW - age - DAY)
    assert (await expire(connection, NOW, KEPT)).total() == len(_AGES) - 1  # the newest tick stays
    assert (await expire(connection, NOW, KEPT)).total() == 0


async def test_the_newest_tick_stays_however_old_it_is(connection: Connection, owner: Connection) -> None:
    for days in (100, 99):
        await owner.execute(_INSERTS["ticks"], NOW - days * DAY)
    await expire(connection, NOW, KEPT)
    assert await owner.fetchval("SELECT max(at) FROM ticks") == NOW - 99 * DAY


async def test_ticks_stay_no_longer_than_results(connection: Connection, owner: Connection) -> None:
    for days in (3, 1):
        await owner.execute(_INSERTS["ticks"], NOW - days * DAY)
    assert (await expire(connection, NOW, Retention(results_days=2)))["ticks"] == 1


async def test_a_batch_that_is_not_done_stays_however_old_it_is(connection: Connection, owner: Connection) -> None:
    await owner.execute(_INSERTS["batches"], NOW - DAY)
    await owner.execute("UPDATE batch_leases SET done_at = NULL")
    await expire(connection, NOW, KEPT)
    assert await count(owner, "batches") == 1


async def test_an_open_incident_and_a_valid_version_stay_however_old_they_are(
    connection: Connection, owner: Connection
) -> None:
    for table in ("incidents", "check_versions"):
        await owner.execute(_INSERTS[table], NOW - 500 * DAY)
    await owner.execute("UPDATE incidents SET resolved_at = NULL, resolution = NULL")
    await owner.execute("UPDATE check_versions SET valid_to = 'infinity'")
    assert (await expire(connection, NOW, KEPT)).total() == 0


async def test_the_status_at_the_start_of_the_kept_history_stays_known(
    connection: Connection, owner: Connection
) -> None:
    ages = [500 * DAY, 450 * DAY, 450 * DAY, 399 * DAY, DAY]
    for age in ages:
        await owner.execute(_INSERTS["status_changes"], NOW - age)
    assert (await expire(connection, NOW, KEPT))["status_changes"] == 2
    rows = await owner.fetch("SELECT id, at FROM status_changes ORDER BY id")
    assert [(row["id"], NOW - row["at"]) for row in rows] == [*enumerate(ages, start=1)][2:]


async def test_nothing_is_left_of_a_check_that_was_deleted_long_ago(connection: Connection, owner: Connection) -> None:
    for insert in _INSERTS.values():
        await owner.execute(insert, NOW)
    await owner.execute("UPDATE checks SET deleted_at = $1", NOW - 31 * DAY)
    await owner.execute("UPDATE sites SET deleted_at = $1", NOW - 31 * DAY)
    await expire(connection, NOW, KEPT)
    about_checks = ("sites", "checks", "check_versions", "cron_instants", "runs", "results_hourly", "incidents")
    assert [await count(owner, table) for table in (*about_checks, "status_changes")] == [0] * 8


async def test_a_check_stays_as_long_as_its_results_after_it_was_deleted(
    connection: Connection, owner: Connection
) -> None:
    await owner.execute(_INSERTS["status_changes"], NOW - 31 * DAY)
    await owner.execute("UPDATE checks SET deleted_at = $1", NOW - 29 * DAY)
    assert (await expire(connection, NOW, KEPT)).total() == 0


async def test_a_deleted_site_stays_as_long_as_its_deleted_checks(connection: Connection, owner: Connection) -> None:
    await owner.execute("UPDATE checks SET deleted_at = $1", NOW - 29 * DAY)
    await owner.execute("UPDATE sites SET deleted_at = $1", NOW - 31 * DAY)
    assert (await expire(connection, NOW, KEPT)).total() == 0
    assert await expire(connection, NOW + 2 * DAY, KEPT) == Counter(checks=1, sites=1)


async def test_more_rows_than_a_statement_may_delete_go_chunk_by_chunk(
    connection: Connection, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_CHUNK", 3)
    for seconds in range(7):
        await owner.execute(_INSERTS["events"], NOW - 2 * DAY + timedelta(seconds=seconds))
    assert (await expire(connection, NOW, KEPT))["events"] == 7


async def test_processes_that_expire_at_once_are_in_nobodys_way(owner: Connection, engine_pool: Pool) -> None:
    for table, age in _AGES.items():
        await owner.execute(_INSERTS[table], NOW - age - DAY)
    await asyncio.gather(*(_expire(engine_pool) for _ in range(4)))
    assert sum([await count(owner, table) for table in _AGES]) == 1


async def _expire(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await expire(connection, NOW, KEPT)


async def test_events_that_changed_something_stay_as_long_as_results(connection: Connection, owner: Connection) -> None:
    insert = (
        "INSERT INTO events VALUES (1, 1, $1, '{}', '{}', '{}', '{7}', '{}'), (1, 2, $1, '{}', '{}', '{}', '{}', '{7}')"
    )
    await owner.execute(insert, NOW - 29 * DAY)
    assert (await expire(connection, NOW, KEPT)).total() == 0
    assert (await expire(connection, NOW + 2 * DAY, KEPT))["events"] == 2
