"""The doorbell, on a real Valkey that can be cut off."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest
from redis.asyncio import Redis

from tests.line import Line
from tocsin.doorbell import Doorbell
from tocsin.settings import Servers


@pytest.fixture
async def line(servers: Servers) -> AsyncIterator[Line]:
    line = Line(servers.redis_url)
    await line.mend()
    yield line
    line.cut()


@pytest.fixture
async def doorbell(line: Line) -> AsyncIterator[Doorbell]:
    async with Doorbell(f"redis://127.0.0.1:{line.port}") as doorbell:
        yield doorbell


async def _ring_until_heard(doorbell: Doorbell, heard: asyncio.Queue[set[int]], organization_ids: set[int]) -> set[int]:
    async with asyncio.timeout(10):
        while heard.empty():
            await doorbell.ring(organization_ids)
            await asyncio.sleep(0.02)
    return heard.get_nowait()


@pytest.fixture
async def heard(doorbell: Doorbell) -> AsyncIterator[asyncio.Queue[set[int]]]:
    queue: asyncio.Queue[set[int]] = asyncio.Queue()

    async def listen() -> None:
        async with aclosing(doorbell.listen()) as rung:
            async for organization_ids in rung:
                queue.put_nowait(organization_ids)

    task = asyncio.create_task(listen())
    yield queue
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_ring_names_its_organizations(doorbell: Doorbell, heard: asyncio.Queue[set[int]]) -> None:
    assert await _ring_until_heard(doorbell, heard, {3, 8}) == {3, 8}


async def test_a_unix_socket_will_do(servers: Servers, heard: asyncio.Queue[set[int]]) -> None:
    async with Doorbell(servers.redis_url) as doorbell:
        assert await _ring_until_heard(doorbell, heard, {4}) == {4}


async def test_listening_goes_on_after_redis_was_away(
    doorbell: Doorbell, heard: asyncio.Queue[set[int]], line: Line
) -> None:
    await _ring_until_heard(doorbell, heard, {1})
    line.cut()
    await asyncio.sleep(0.3)
    await line.mend()
    while not heard.empty():
        heard.get_nowait()
    assert await _ring_until_heard(doorbell, heard, {2}) == {2}


async def test_ringing_without_redis_is_quick_and_raises_nothing(doorbell: Doorbell, line: Line) -> None:
    line.cut()
    started = time.monotonic()
    for _ in range(100):
        await doorbell.ring({1})
    assert time.monotonic() - started < 0.5


async def test_a_redis_that_never_answers_holds_a_ring_for_half_a_second_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        async with Doorbell(f"redis://127.0.0.1:{hanging.getsockname()[1]}") as doorbell:
            started = time.monotonic()
            for _ in range(100):
                await doorbell.ring({1})
            assert time.monotonic() - started < 0.8


async def test_a_silent_connection_is_given_up(
    monkeypatch: pytest.MonkeyPatch, doorbell: Doorbell, heard: asyncio.Queue[set[int]], line: Line
) -> None:
    monkeypatch.setattr("tocsin.doorbell._SILENCE_SECONDS", 0.1)
    await _ring_until_heard(doorbell, heard, {1})
    line.taken.clear()
    for writer in line.writers:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        await line.taken.wait()


async def test_what_others_publish_names_nobody(
    doorbell: Doorbell, heard: asyncio.Queue[set[int]], servers: Servers
) -> None:
    await _ring_until_heard(doorbell, heard, {1})
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.publish("tocsin:news", "7,\u00b2,x,-3,")
    async with asyncio.timeout(5):
        while (rung := await heard.get()) == {1}:
            pass
    assert rung == {7}


@pytest.mark.parametrize("use", ["ring", "listen"])
async def test_whoever_rings_or_listens_can_be_cancelled_at_any_moment(servers: Servers, use: str) -> None:
    for moment in range(60):
        async with Doorbell(servers.redis_url) as doorbell:
            task = asyncio.ensure_future(doorbell.ring([1]) if use == "ring" else anext(doorbell.listen()))
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=1)
            assert task.done()
