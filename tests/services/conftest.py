"""Checks and versions as rows, for tests of the engine's services."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.database import Connection, Pool
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.services.locations import register_location
from tocsin.services.partitions import ensure_partitions
from tocsin.services.recording import Result

ORGANIZATION = 1
SITE = 1
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

_CHECK = """
INSERT INTO checks (organization_id, site_id, name, kind, target, interval_seconds, cron, time_zone, timeout_ms,
                    failure_threshold, success_threshold)
VALUES ($1, $2, 'check', 'tcp', '{"host": "127.0.0.1", "port": 9}', $3, $4, $5, 1000, 3, 2) RETURNING id
"""
_VERSION = """
INSERT INTO check_versions (check_id, revision, organization_id, valid_from, valid_to, kind, target, interval_ms, cron,
                            time_zone, timeout_ms, failure_threshold, success_threshold, paused, expanded_to)
SELECT id, $2, organization_id, $3::timestamptz, coalesce($4, 'infinity'::timestamptz), kind, target, $5, cron,
       time_zone, timeout_ms, failure_threshold, success_threshold, $6,
       CASE WHEN cron IS NULL THEN NULL ELSE $3::timestamptz END
FROM checks WHERE id = $1
"""
_STATE = """
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
SELECT id, 1, organization_id, $2::timestamptz - interval '1 millisecond', 'PENDING', $2, 'PENDING' FROM checks
WHERE id = $1
"""

MakeCheck = Callable[..., Awaitable[int]]


@pytest.fixture
async def connection(engine_pool: Pool) -> AsyncIterator[Connection]:
    async with engine_pool.acquire() as connection:
        yield connection


@pytest.fixture
async def organization(owner: Connection) -> int:
    await owner.execute("INSERT INTO organizations (id, name) VALUES ($1, 'one')", ORGANIZATION)
    await owner.execute("INSERT INTO event_counters (organization_id) VALUES ($1)", ORGANIZATION)
    await owner.execute("INSERT INTO sites (id, organization_id, name) VALUES ($1, $2, 'site')", SITE, ORGANIZATION)
    # The identity must not hand out the key that was just taken.
    await owner.execute("SELECT setval(pg_get_serial_sequence('sites', 'id'), $1)", SITE)
    await ensure_partitions(owner, NOON)
    return ORGANIZATION


@pytest.fixture
async def places(connection: Connection) -> list[int]:
    return [await register_location(connection, name) for name in ("eu", "us", "asia")]


@pytest.fixture
def make_check(owner: Connection, organization: int) -> MakeCheck:
    """Make a check with one open version from an instant on."""

    async def make(
        interval_seconds: int | None = 10, cron: str | None = None, since: datetime = NOON, paused: bool = False
    ) -> int:
        zone = None if cron is None else "Europe/Berlin"
        check_id: int = await owner.fetchval(_CHECK, organization, SITE, interval_seconds, cron, zone)
        interval_ms = None if interval_seconds is None else interval_seconds * 1000
        await owner.execute(_VERSION, check_id, 1, since, None, interval_ms, paused)
        await owner.execute(_STATE, check_id, since)
        return check_id

    return make


async def slots_of_check(owner: Connection, check_id: int, count: int, since: datetime = NOON) -> list[datetime]:
    """The first slots of a check with an interval, computed in SQL."""
    row = await owner.fetchrow("SELECT interval_ms, phase_ms FROM check_versions WHERE check_id = $1", check_id)
    assert row is not None
    every, phase = row["interval_ms"], row["phase_ms"]
    elapsed = int(since.timestamp() * 1000)
    first = elapsed + (phase - elapsed) % every
    return [datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=first + i * every) for i in range(count)]


def result(
    check_id: int, slot: datetime, outcome: Outcome = Outcome.SUCCESS, *, revision: int = 1, location_id: int = 1
) -> Result:
    reason = Reason.STATUS if outcome is Outcome.FAILURE else None
    seen = Observation(outcome, slot, timedelta(milliseconds=12), reason, "got 503" if reason else None)
    return Result(check_id, slot, location_id, revision, seen)
