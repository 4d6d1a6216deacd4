"""What keeps sockets from being misused: origins, tokens that end, clients that do not read."""

import asyncio
import json
import time
from contextlib import suppress

import asyncpg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from graphql_api.live.origins import may_connect
from graphql_api.live.wire import Wire
from tests.graphql_api.live.harness import Api, Client, World, closed
from tocsin.services.accounts import create_token


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "tocsin.example.com", True),
        ("https://tocsin.example.com", "tocsin.example.com", True),
        ("https://tocsin.example.com:443", "tocsin.example.com", True),
        ("https://TOCSIN.example.com", "tocsin.example.com", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://status.example.com", "tocsin.example.com", True),
        ("http://status.example.com", "tocsin.example.com", False),
        ("https://status.example.com:8443", "tocsin.example.com", False),
        ("https://status.example.com.evil.net", "tocsin.example.com", False),
        ("https://evil.net", "tocsin.example.com", False),
        ("https://eviltocsin.example.com", "tocsin.example.com", False),
        ("https://tocsin.example.com@evil.net", "tocsin.example.com", False),
        ("https://evil.net/https://tocsin.example.com", "tocsin.example.com", False),
        ("https://tocsin.example.com?", "evil.net", False),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("null", "tocsin.example.com", False),
        ("null", "null", False),
        ("", "", False),
        ("file://", "tocsin.example.com", False),
        ("https://", "", False),
        ("https://[", "tocsin.example.com", False),
        ("https://tocsin.example.com:port", "tocsin.example.com", False),
    ],
)
def test_only_pages_of_the_own_origin_and_allowed_ones_may_connect(
    origin: str | None, host: str, allowed: bool
) -> None:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    assert may_connect(headers, ["https://status.example.com"]) is allowed


@pytest.mark.parametrize("origin", ["https://evil.net", "null"])
async def test_a_foreign_page_is_turned_away_before_the_socket_opens(api: Api, origin: str) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await api.connect(additional_headers={"Origin": origin})


async def test_the_own_page_may_connect(api: Api) -> None:
    async with api.connect(additional_headers={"Origin": api.url}) as socket:
        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}


async def test_a_revoked_token_ends_its_sockets_within_five_seconds(
    api: Api, world: World, owner: asyncpg.Connection
) -> None:
    token = await create_token(owner, world.organization_id, "revoked")
    async with api.client(token) as client, api.client(world.token) as other:
        await client.subscribe()
        await other.subscribe()
        await api.joined(2)
        await owner.execute("UPDATE api_tokens SET revoked_at = now() WHERE name = 'revoked'")
        started = time.monotonic()
        with pytest.raises(ConnectionClosed, match="4403"):
            await client.receive()
        assert time.monotonic() - started < 5
        await api.joined(1)
        slots = await world.report()
        assert await other.slots(1) == slots


async def test_a_token_that_expires_ends_its_sockets(
    api: Api, world: World, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.services.accounts._REMEMBERED_SECONDS", 0.1)
    token = await create_token(owner, world.organization_id, "brief")
    async with api.client(token) as client:
        await owner.execute("UPDATE api_tokens SET expires_at = now() WHERE name = 'brief'")
        with pytest.raises(ConnectionClosed, match="4403"):
            await client.receive()


async def test_a_database_that_is_away_ends_no_socket(api: Api, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: object, authorization: str) -> None:
        failed.set()
        raise OSError

    failed = asyncio.Event()
    async with api.client(world.token) as client:
        monkeypatch.setattr("graphql_api.view.Gate.enter", fail)
        await failed.wait()
        await client.send(type="ping")
        assert (await client.receive())["type"] == "pong"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the server held for its clients, after each write; the limit is small."""
    sizes: list[int] = []
    write = Wire.write

    def measured(wire: Wire, frames: bytes) -> None:
        write(wire, frames)
        sizes.append(wire.transport.get_write_buffer_size())

    monkeypatch.setattr("graphql_api.live.wire.UNREAD_BYTES", 200_000)
    monkeypatch.setattr(Wire, "write", measured)
    return sizes


async def stop_reading(api: Api, world: World, client: Client) -> None:
    """Subscribe fifty times, read nothing, and let much happen, until the server gives up."""
    client.socket.transport.pause_reading()
    for number in range(50):
        await client.subscribe(operation_id=f"{number}")
    await api.joined(50)
    async with asyncio.timeout(10):
        while api.subscribers:
            await world.report(count=100)


async def test_a_client_that_reads_too_slowly_is_told_so_and_can_go_on(api: Api, world: World, held: list[int]) -> None:
    async with api.client(world.token) as client:
        start = client.start_cursor
        await stop_reading(api, world, client)
        client.socket.transport.resume_reading()
        assert await closed(client.socket) == 1013
    async with api.client(world.token) as client:
        await client.subscribe(after=start)
        assert len(await client.slots(200)) == 200
    assert max(held) < 400_000


async def test_a_client_that_never_reads_is_cut_off(
    api: Api, world: World, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = asyncio.Event()
    connection_lost = Wire.connection_lost

    def noted(wire: Wire, exc: Exception | None) -> None:
        connection_lost(wire, exc)
        lost.set()

    monkeypatch.setattr(Wire, "connection_lost", noted)
    monkeypatch.setattr("graphql_api.live.wire._FAREWELL_SECONDS", 0.1)
    async with api.client(world.token) as client:
        await stop_reading(api, world, client)
        async with asyncio.timeout(5):
            await lost.wait()
        assert max(held) < 400_000
        client.socket.transport.abort()


async def test_answers_to_pings_do_not_pile_up_either(
    api: Api, world: World, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphql_api.live.wire._FAREWELL_SECONDS", 0.1)
    async with api.client(world.token) as client:
        client.socket.transport.pause_reading()
        with suppress(ConnectionClosed):
            while max(held) < 300_000:
                await client.send(type="ping", payload={"much": "x" * 60_000})
        client.socket.transport.resume_reading()
        assert await closed(client.socket) in (1006, 1013)
