"""A worker that is told to stop under load hands its work over: nothing is missed, and nothing late."""

import asyncio

import pytest

from tests.engine.harness import Platform, Target


async def test_a_worker_that_stops_gives_its_slots_to_others(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, answer = target
    # So there are always probes under way, which the rest must not wait for.
    answer.delay_seconds = 2.3
    await platform.make_checks(150, 3, port, timeout_ms=3000)
    platform.scheduler(), platform.worker()
    stopping = platform.worker()
    since = await platform.until_probing()
    await asyncio.sleep(1.5)
    stopping.terminate()
    assert await asyncio.to_thread(stopping.wait) == 0
    await asyncio.sleep(1)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert total.max_lateness < 2
    assert await platform.ask("SELECT count(*) FROM results WHERE outcome <> 1") == 0


async def test_processes_stop_while_the_database_is_away(platform: Platform) -> None:
    platform.scheduler(), platform.worker()
    await asyncio.sleep(3)
    await platform.kill_postgres()
    await asyncio.sleep(0.5)
    assert await platform.stop() == [0, 0]


async def test_processes_stop_while_they_wait_for_the_database(platform: Platform) -> None:
    await platform.kill_postgres()
    platform.scheduler(), platform.worker()
    await asyncio.sleep(3)
    assert await platform.stop() == [0, 0]


@pytest.mark.soak
async def test_processes_stop_while_the_database_is_frozen(platform: Platform) -> None:
    platform.scheduler(), platform.worker()
    await asyncio.sleep(3)
    platform.freeze_postgres()
    await asyncio.sleep(0.5)
    assert await platform.stop() == [0, 0]
    platform.thaw_postgres()


@pytest.mark.soak
async def test_processes_stop_while_redis_is_frozen(platform: Platform) -> None:
    platform.scheduler(), platform.worker()
    await asyncio.sleep(4)
    platform.freeze_valkey()
    await asyncio.sleep(2)
    assert await platform.stop() == [0, 0]
