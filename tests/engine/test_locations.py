"""Workers at two locations: one is killed, one is cut off, and half of the targets fail."""

from collections.abc import AsyncIterator

import pytest

from tests.engine.harness import Platform, Target, eventually, http_target

US = 3
_SPREAD = """
INSERT INTO locations (id, name) VALUES (2, 'eu'), (3, 'us');
UPDATE checks SET location_ids = '{2,3}', quorum = 'MAJORITY', failure_threshold = 2;
UPDATE check_versions SET location_ids = '{2,3}', failure_threshold = 2;
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
SELECT check_id, unnest('{0,2,3}'::smallint[]), organization_id, folded_through, status, since, decided
FROM check_states;
DELETE FROM check_states WHERE location_id = 1;
"""
_OWN = "SELECT count(*) FROM check_states WHERE location_id = 0 AND status = $1"
_AT = "SELECT count(*) FROM check_states WHERE location_id = $1 AND status = $2"
_SHOWN = "SELECT count(*) FROM check_states WHERE status = $1"
_IMPAIRED = "SELECT count(*) FROM locations WHERE impaired_since IS NOT NULL"
_INCIDENTS = "SELECT count(*) FROM incidents"
_OPEN = "SELECT count(*) FROM incidents WHERE resolved_at IS NULL"


@pytest.fixture
async def canary() -> AsyncIterator[tuple[int, type[Target]]]:
    async with http_target() as served:
        yield served


async def spread(platform: Platform, count: int, port: int) -> None:
    """Make checks that both locations probe every second."""
    await platform.make_checks(count, 1, port, timeout_ms=500)
    async with platform.connection() as connection:
        await connection.execute(_SPREAD)


async def are(platform: Platform, query: str, count: int, *arguments: object, seconds: float = 40) -> None:
    async def as_many() -> bool:
        return int(await platform.ask(query, *arguments)) == count

    await eventually(as_many, seconds)


async def test_an_outage_seen_from_two_locations_is_one_incident_and_a_killed_worker_none(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, answer = target
    await spread(platform, 10, port)
    platform.scheduler()
    platform.worker(TOCSIN_LOCATION="eu")
    us = platform.worker(TOCSIN_LOCATION="us")
    await are(platform, _OWN, 10, "UP")
    answer.status = 503
    await are(platform, _OPEN, 10)
    answer.status = 200
    await are(platform, _OPEN, 0)
    us.kill()
    await are(platform, _AT, 10, US, "UNKNOWN", seconds=90)
    assert await platform.ask(_OWN, "UP") == 10
    assert await platform.ask(_INCIDENTS) == 10
    us.start()
    await are(platform, _AT, 10, US, "UP")
    assert await platform.ask(_INCIDENTS) == 10


async def test_a_location_that_is_cut_off_opens_nothing_and_a_real_outage_of_half_the_targets_alerts(
    platform: Platform, target: tuple[int, type[Target]], canary: tuple[int, type[Target]]
) -> None:
    """What cuts a location off silences its targets and its canaries alike; a real outage leaves the canaries."""
    async with http_target() as (other_port, other):
        for port in (target[0], other_port):
            await platform.make_checks(10, 1, port, timeout_ms=500)
        platform.scheduler()
        platform.worker(TOCSIN_CANARIES=f"http://127.0.0.1:{canary[0]}/,127.0.0.1:1")
        await are(platform, _SHOWN, 20, "UP")
        for server in (target[1], other, canary[1]):
            server.delay_seconds = 3600
        await are(platform, _SHOWN, 20, "UNKNOWN")
        await are(platform, _IMPAIRED, 1)
        # As many slots as would have opened incidents.
        await eventually(lambda: platform.ask("SELECT count(*) > 100 FROM results WHERE reason = 19"), 30)
        assert await platform.ask(_INCIDENTS) == 0
        for server in (target[1], other, canary[1]):
            server.delay_seconds = 0
        await are(platform, _SHOWN, 20, "UP")
        await are(platform, _IMPAIRED, 0)
        other.delay_seconds = 3600
        await are(platform, _OPEN, 10)
        assert await platform.ask(_SHOWN, "UP") == 10
