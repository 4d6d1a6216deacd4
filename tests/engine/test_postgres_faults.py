"""PostgreSQL is killed and frozen under load: nothing committed is lost, and the engine finds its way back alone."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.engine.harness import Platform, Target, eventually

SECOND = timedelta(seconds=1)


async def stored(platform: Platform) -> set[tuple[int, datetime]]:
    async with platform.connection() as connection:
        rows = await connection.fetch("SELECT check_id, slot FROM results")
    return {(row["check_id"], row["slot"]) for row in rows}


async def back_to_normal(platform: Platform, since: datetime, every_seconds: int) -> float:
    """Wait until all checks are probed in time again; return how many seconds it takes."""
    query = """
        SELECT count(DISTINCT check_id) = (SELECT count(*) FROM checks) FROM results
        WHERE slot > greatest($1, tocsin_now() - $2::interval) AND started_at - slot < interval '1 second'
    """
    return await eventually(lambda: platform.ask(query, since, (every_seconds + 1) * SECOND), 20)


async def test_postgres_killed_again_and_again_loses_nothing(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, _ = target
    await platform.make_checks(100, 2, port)
    processes = [platform.scheduler(), platform.worker()]
    since = await platform.until_probing()
    for seconds_away in (0.1, 2.0):
        await asyncio.sleep(1)
        committed = await stored(platform)
        await platform.kill_postgres()
        await asyncio.sleep(seconds_away)
        await platform.start_postgres()
        assert committed <= await stored(platform)
        assert await back_to_normal(platform, await platform.now(), 2) < 15
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert await platform.problems() == []
    assert all(process.is_running for process in processes)


@pytest.mark.soak
async def test_a_frozen_postgres_moves_no_clock_and_misses_no_slot(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, _ = target
    await platform.make_checks(50, 1, port)
    processes = [platform.scheduler(), platform.scheduler(), platform.worker(), platform.worker()]
    since = await platform.until_probing()
    platform.freeze_postgres()
    await asyncio.sleep(7)
    platform.thaw_postgres()
    assert await back_to_normal(platform, await platform.now(), 1) < 15
    ahead = await platform.ask("SELECT max(at) - clock_timestamp() FROM ticks")
    assert ahead < 2 * SECOND
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert await platform.problems() == []
    assert all(process.is_running for process in processes)
