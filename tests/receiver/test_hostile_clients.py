"""Clients that mean harm: they get little of the receiver's time, and no room."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID, uuid4

import httpx
import pytest

from receiver import app, connection, main
from tests.receiver.conftest import Reports, receiving

Address = tuple[str, int]


async def says(address: Address, *parts: bytes, pause_seconds: float = 0.0, patience_seconds: float = 15.0) -> bytes:
    """Send the parts, and return what comes back until the connection ends."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(patience_seconds):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def answers_soon(client: httpx.AsyncClient, key: UUID) -> bool:
    """Whether somebody who means well is served meanwhile."""
    async with asyncio.timeout(15):
        return (await client.get(f"/{key}")).status_code == 200


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(app, "BODY_SECONDS", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"GET / HTTP/1.1\r\nHost: a\r\n"],
        [b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 40],
        [b"\r\n"] * 40,
        [b"G", b"E", b"T", b" "] + [b"/"] * 40,
    ],
    ids=["silence", "half a head", "drop by drop", "line breaks", "an endless path"],
)
async def test_a_head_that_takes_too_long_ends_the_connection(address: Address, parts: list[bytes]) -> None:
    began = time.monotonic()
    assert await says(address, *parts, pause_seconds=0.05) == b""
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET / HTTP/1.1\r\n", *[b"X-%d: y\r\n" % n for n in range(100_000)]],
        [b"GET / HTTP/1.1\r\nX: " + b"y" * 5_000_000],
        [b"GET /" + b"a" * 5_000_000],
    ],
    ids=["headers", "a header", "a path"],
)
async def test_a_head_without_end_ends_the_connection(
    address: Address, client: httpx.AsyncClient, key: UUID, parts: list[bytes]
) -> None:
    assert b"200" not in await says(address, *parts)
    assert await answers_soon(client, key)


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_takes_too_long_is_no_report(address: Address, key: UUID, reports: Reports) -> None:
    head = f"POST /{key} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n".encode()
    assert b" 408 " in await says(address, head, *[b"x"] * 5, pause_seconds=0.05)
    assert await reports() == []


async def test_a_body_that_is_cut_off_is_no_report(
    address: Address, client: httpx.AsyncClient, key: UUID, reports: Reports
) -> None:
    _, writer = await asyncio.open_connection(*address)
    writer.write(f"POST /{key}/fail HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    await writer.drain()
    writer.close()
    await client.get(f"/{key}")
    assert [report["kind"] for report in await reports()] == ["SUCCESS"]


async def test_a_body_of_ten_megabytes_is_a_report_of_ten_kilobytes(
    client: httpx.AsyncClient, key: UUID, reports: Reports
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bodies = [client.post(f"/{key}", content=chunks(10)) for _ in range(8)]
    assert [answer.status_code for answer in await asyncio.gather(*bodies)] == [200] * 8
    assert {len(report["payload"]) for report in await reports()} == {10_000}
    # The client is in this process too.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


async def chunks(megabytes: int) -> AsyncIterator[bytes]:
    for _ in range(megabytes * 16):
        yield b"x" * 65_536


async def test_a_body_without_end_is_refused(client: httpx.AsyncClient, key: UUID, reports: Reports) -> None:
    # The connection may be closed before the client has read the answer.
    with suppress(httpx.TransportError):
        assert (await client.post(f"/{key}", content=chunks(200))).status_code == 413
    assert await reports() == []


async def test_headers_after_a_body_are_ignored(address: Address, key: UUID) -> None:
    head = f"POST /{key} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailers = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
    assert b" 200 " in await says(address, head.encode() + b"2\r\nok\r\n0\r\n", trailers, b"\r\n")


@pytest.mark.usefixtures("impatient")
async def test_headers_after_a_body_end_in_time(address: Address, key: UUID, reports: Reports) -> None:
    head = f"POST /{key} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert b" 408 " in await says(address, head + b"2\r\nok\r\n0\r\n", *[b"X: y\r\n"] * 5, pause_seconds=0.05)
    assert await reports() == []


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow this machine is, the bucket does not fill again meanwhile.
    monkeypatch.setattr(app, "UNKNOWN_PER_SECOND", 0.1)
    monkeypatch.setattr(app, "UNKNOWN_BURST", 100)


@pytest.mark.usefixtures("strict")
async def test_who_guesses_keys_is_slowed_down_and_others_are_served(client: httpx.AsyncClient, key: UUID) -> None:
    assert await answers_soon(client, key)

    async def guess() -> int:
        return (await client.get(f"/{uuid4()}")).status_code

    statuses = await many(guess, 300)
    assert set(statuses) == {404, 429}
    assert statuses.count(404) < 150
    assert await answers_soon(client, key)


async def many(work: Callable[[], Awaitable[int]], count: int) -> list[int]:
    """Do it so often, fifty at a time."""
    room = asyncio.Semaphore(50)

    async def one() -> int:
        async with room:
            return await work()

    return await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize("said", ["::x", "1.2.3.4, 5.6.7.8", "fe80::1%eth0", "x" * 10_000, "[::1]:80", ""])
async def test_what_a_proxy_says_of_a_client_may_be_anything(database_url: str, key: UUID, said: str) -> None:
    async with (
        receiving(database_url, proxies=("*",)) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client,
    ):
        answer = await client.get(f"/{key}", headers={"X-Forwarded-For": said})
        assert answer.status_code == 200


async def test_who_opens_many_connections_leaves_room_for_others(
    address: Address, client: httpx.AsyncClient, key: UUID
) -> None:
    opened = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(300)))
    assert main.MOST_CONNECTIONS > 300
    assert await answers_soon(client, key)
    for _, writer in opened:
        writer.close()


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /%00 HTTP/1.1",
        b"GET http://elsewhere/ HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET / HTTP/9.9",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"%ff" * 100 + b" HTTP/1.1",
        b"GET /?rid=" + b"%" * 500 + b" HTTP/1.1",
    ],
)
async def test_nonsense_gets_a_short_answer_and_harms_nobody(
    address: Address, client: httpx.AsyncClient, key: UUID, request_line: bytes
) -> None:
    said = await says(address, request_line + b"\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b" 500 " not in said
    assert len(said) < 1_000
    assert await answers_soon(client, key)


async def test_a_websocket_is_not_offered(address: Address) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    said = await says(address, head + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", b"", patience_seconds=20)
    assert b" 101 " not in said
