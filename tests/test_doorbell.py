"""The doorbell, on a real Valkey that can be cut off."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from tocsin.doorbell import Doorbell
from tocsin.settings import Servers


class Line:
    """A TCP line to Valkey, which can be cut and mended."""

    def __init__(self, redis_url: str) -> None:
        self.far = urlsplit(redis_url)
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.taken = asyncio.Event()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        self.server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.far.scheme == "unix":
            far_reader, far_writer = await asyncio.open_unix_connection(self.far.path)
        else:
            far_reader, far_writer = await asyncio.open_connection(self.far.hostname, self.far.port)
        self.writers += [writer, far_writer]
        self.taken.set()
        with suppress(OSError):
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


@pytest.fixture
async def line(servers: Servers) -> AsyncIterator[Line]:
    line = Line(servers.redis_url)
    await line.mend()
    yield line
    await line.cut()


@pytest.fixture
async def doorbell(line: Line) -> AsyncIterator[Doorbell]:
    async with Doorbell(line.url) as doorbell:
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
    await line.cut()
    await asyncio.sleep(0.3)
    await line.mend()
    while not heard.empty():
        heard.get_nowait()
    assert await _ring_until_heard(doorbell, heard, {2}) == {2}


async def test_ringing_without_redis_is_quick_and_raises_nothing(doorbell: Doorbell, line: Line) -> None:
    await line.cut()
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
