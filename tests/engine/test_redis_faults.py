"""Redis is killed, frozen and away, and hints come ten times, for nothing, or not at all: nothing changes."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio

from tests.engine.harness import Platform, Target, eventually
from tocsin.queue import PROBE_BATCH, PROBE_RUN, _message, make_broker, probes_queue


async def test_without_redis_all_goes_on_in_time(platform: Platform, target: tuple[int, type[Target]]) -> None:
    port, _ = target
    await platform.make_checks(300, 2, port)
    await platform.kill_valkey()
    platform.scheduler(), platform.worker(), platform.worker()
    since = await platform.until_probing()
    await asyncio.sleep(4)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert total.probed > 500
    assert total.percentile(0.99) < 1


@pytest.mark.soak
async def test_redis_killed_and_frozen_delays_nothing(platform: Platform, target: tuple[int, type[Target]]) -> None:
    port, _ = target
    await platform.make_checks(300, 2, port)
    processes = [platform.scheduler(), platform.worker(), platform.worker()]
    since = await platform.until_probing()
    await platform.kill_valkey()
    await asyncio.sleep(2)
    await platform.start_valkey()
    await asyncio.sleep(1)
    platform.freeze_valkey()
    await asyncio.sleep(3)
    platform.thaw_valkey()
    await asyncio.sleep(1)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert total.percentile(0.99) < 1
    assert all(process.is_running for process in processes)


@pytest.mark.soak
async def test_a_minute_without_redis_delays_nothing(platform: Platform, target: tuple[int, type[Target]]) -> None:
    port, _ = target
    await platform.make_checks(2000, 10, port)
    platform.scheduler(), platform.worker(), platform.worker()
    since = await platform.until_probing()
    await platform.kill_valkey()
    await asyncio.sleep(60)
    await platform.start_valkey()
    await asyncio.sleep(5)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert total.probed > 6 * 2000
    assert total.percentile(0.99) < 1


Harm = Callable[[Platform], Awaitable[None]]


async def hint_wildly(platform: Platform) -> None:
    """Each new batch ten times in any order, and what there is none of."""
    broker = make_broker(platform.servers.redis_url)
    broker.declare_queue(probes_queue("default"))
    newest = 0
    while True:
        async with platform.connection() as connection:
            batches = [row["id"] for row in await connection.fetch("SELECT id FROM batches WHERE id > $1", newest)]
        newest = max([newest, *batches])
        hints = [(PROBE_BATCH, batch_id) for batch_id in 10 * batches]
        hints += [(PROBE_BATCH, 10**9), (PROBE_BATCH, -1), (PROBE_BATCH, 10**30), (PROBE_RUN, 10**9)]
        for actor, row_id in random.sample(hints, len(hints)):
            await asyncio.to_thread(broker.enqueue, _message(actor, "default", row_id))
        await asyncio.sleep(0.2)


async def flap(answer: type[Target]) -> None:
    """Fail and recover again and again, so that incidents open and close."""
    while True:
        await asyncio.sleep(4.5)
        answer.status = 503 if answer.status == 200 else 200


async def lose_hints(platform: Platform) -> None:
    async with redis.asyncio.Redis.from_url(platform.servers.redis_url) as client:
        while True:
            await client.flushall()
            await asyncio.sleep(0.05)


async def test_hints_that_come_ten_times_or_name_nothing_probe_nothing_twice(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    await run_with(platform, target, hint_wildly)


@pytest.mark.soak
async def test_hints_that_are_lost_leave_nothing_out(platform: Platform, target: tuple[int, type[Target]]) -> None:
    await run_with(platform, target, lose_hints)


async def run_with(platform: Platform, target: tuple[int, type[Target]], harm: Harm) -> None:
    port, answer = target
    await platform.make_checks(100, 1, port)
    harming = asyncio.gather(harm(platform), flap(answer))
    platform.scheduler(), platform.worker(), platform.worker()
    since = await platform.until_probing()
    await eventually(lambda: platform.ask("SELECT count(*) >= 100 FROM incidents"), 20)
    await asyncio.sleep(1)
    total = await platform.settled(since)
    harming.cancel()
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert total.percentile(0.99) < 1
    assert await platform.stop() == [0, 0, 0]
    assert answer.answered == await platform.ask("SELECT count(*) FROM results")
    assert await platform.problems() == []
