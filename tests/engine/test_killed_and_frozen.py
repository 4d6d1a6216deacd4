"""Workers and schedulers are killed and frozen, one after the other: every slot ends, and soon."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.engine.harness import EngineProcess, Platform, Target


async def start_two_of_each(platform: Platform) -> tuple[list[EngineProcess], list[EngineProcess]]:
    return [platform.scheduler() for _ in range(2)], [platform.worker() for _ in range(2)]


async def kill_and_restart(process: EngineProcess) -> None:
    process.kill()
    await asyncio.sleep(1)
    process.start()


async def freeze_for(process: EngineProcess, seconds: float) -> None:
    process.freeze()
    await asyncio.sleep(seconds)
    process.thaw()


async def test_no_slot_is_silent_and_none_late_while_processes_come_to_harm(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, answer = target
    # So that probes are under way whenever a process comes to harm.
    answer.delay_seconds = 0.2
    await platform.make_checks(100, 2, port)
    (one, two), (first, second) = await start_two_of_each(platform)
    since = await platform.until_probing()
    harm: list[Callable[[], Awaitable[None]]] = [
        lambda: kill_and_restart(first),
        lambda: freeze_for(one, 2),
        lambda: freeze_for(second, 7),
        lambda: kill_and_restart(two),
    ]
    for come_to_harm in harm:
        await come_to_harm()
        await asyncio.sleep(0.5)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed, total.strays) == ([], [], {}, [])
    assert total.max_lateness < 10
    assert await platform.ask("SELECT count(*) FROM results WHERE outcome <> 1") == 0
    assert await platform.problems() == []


@pytest.mark.soak
async def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_comes_back(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, answer = target
    answer.delay_seconds = 0.2
    await platform.make_checks(50, 1, port, timeout_ms=500)
    platform.scheduler()
    frozen, _ = platform.worker(), platform.worker()
    since = await platform.until_probing()
    await asyncio.sleep(1)
    for seconds in (1.5, 7.5):
        await freeze_for(frozen, seconds)
        await asyncio.sleep(1)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert await platform.ask("SELECT count(*) FROM incidents") == 0
    assert await platform.ask("SELECT count(*) FROM results WHERE outcome <> 1") == 0
    assert await platform.problems() == []
