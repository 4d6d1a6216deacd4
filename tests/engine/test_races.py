"""Three schedulers and eight workers race for everything while targets flap and some of them come to harm."""

import asyncio
import random
from contextlib import suppress

import pytest

from tests.engine.harness import EngineProcess, Platform, Target
from tests.engine.test_redis_faults import flap, hint_wildly


async def harm(processes: list[EngineProcess]) -> None:
    """Freeze one past its lease, or kill it, again and again."""
    chance = random.Random(3)
    while True:
        await asyncio.sleep(3)
        process = chance.choice(processes)
        if chance.random() < 0.3:
            process.kill()
            process.start()
        else:
            process.freeze()
            await asyncio.sleep(7)
            process.thaw()


@pytest.mark.soak
async def test_races_open_no_incident_twice(platform: Platform, target: tuple[int, type[Target]]) -> None:
    port, answer = target
    answer.delay_seconds = 0.1
    await platform.make_checks(150, 1, port)
    processes = [platform.scheduler() for _ in range(3)] + [platform.worker() for _ in range(8)]
    since = await platform.until_probing(60)
    harming = asyncio.gather(harm(processes), flap(answer), hint_wildly(platform))
    await asyncio.sleep(60)
    harming.cancel()
    with suppress(asyncio.CancelledError):
        await harming
    for process in processes:
        process.thaw()
    total = await platform.settled(since, 30)
    assert (total.silent, total.unfolded) == ([], [])
    assert await platform.ask("SELECT count(*) FROM incidents") > 150
    assert await platform.problems() == []
