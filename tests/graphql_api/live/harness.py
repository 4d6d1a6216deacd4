"""The API on a real server, organizations whose checks go through things, and clients that watch."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from graphql_api.context import Hints
from graphql_api.ids import global_id
from graphql_api.live.entry import Entry
from graphql_api.live.groups import Group
from graphql_api.live.routes import live_routes
from graphql_api.live.wire import UVICORN_OPTIONS
from graphql_api.schema import schema
from graphql_api.view import Gate, GraphQLView
from tocsin.database import Pool
from tocsin.doorbell import Doorbell
from tocsin.encryption import KeyRing
from tocsin.models import TokenPermission
from tocsin.rate_limit import RateLimiter
from tocsin.services.accounts import Authenticator, create_token, ensure_organization
from tocsin.services.event_log import News, append_news

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RESULTS = """
subscription ($check: ID, $site: ID, $after: String) { checkResults(checkId: $check, siteId: $site, after: $after) {
    cursor result { slot outcome location } check { id name } } }
"""

_CHECK = """
INSERT INTO checks (organization_id, site_id, name, kind, target, interval_seconds, timeout_ms, failure_threshold,
                    success_threshold)
VALUES ($1, $2, $3, 'tcp', '{"host": "127.0.0.1", "port": 9}', 60, 1000, 3, 2) RETURNING id
"""
_STATE = """
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
VALUES ($1, 1, $2, $3, 'UP', $3, 'UP')
"""
_RESULT = """
INSERT INTO results (check_id, slot, location_id, organization_id, revision, started_at, duration_us, outcome)
VALUES ($1, $2, 1, $3, 1, $2, 1500, 1)
"""
_STATUS_CHANGE = """
INSERT INTO status_changes (organization_id, check_id, location_id, from_status, to_status, at, slot, reason)
VALUES ($1, $2, 0, $3, $4, $5, $5, $6) RETURNING id
"""
_INCIDENT = """
INSERT INTO incidents (organization_id, check_id, opened_at, detected_at, cause) VALUES ($1, $2, $3, $3, 'TIMEOUT')
RETURNING id
"""
_INCIDENT_EVENT = """
INSERT INTO incident_events (organization_id, incident_id, version, kind, at)
SELECT $1, id, version, $3, $4 FROM incidents WHERE id = $2 RETURNING id
"""
_RESOLVE = """
UPDATE incidents SET resolved_at = $2, resolution = 'RECOVERED', version = version + 1
WHERE check_id = $1 AND resolved_at IS NULL RETURNING id
"""


@dataclass
class World:
    """An organization with two sites and a check on each, in which a test lets things happen."""

    pool: Pool
    doorbell: Doorbell
    organization_id: int
    token: str
    reading_token: str
    site_ids: list[int]
    check_ids: list[int]
    _seconds: "itertools.count[int]" = field(default_factory=itertools.count)

    def check(self, number: int) -> str:
        return global_id("check", self.check_ids[number])

    def site(self, number: int) -> str:
        return global_id("site", self.site_ids[number])

    async def report(self, check: int = 0, count: int = 1, *, ring: bool = True) -> list[str]:
        """One transaction that brings some results; return their slots."""
        slots = [NOON + timedelta(seconds=next(self._seconds)) for _ in range(count)]
        check_id = self.check_ids[check]
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.executemany(_RESULT, [(check_id, slot, self.organization_id) for slot in slots])
            await append_news(connection, {self.organization_id: News([(check_id, slot, 1) for slot in slots])})
        if ring:
            await self.doorbell.ring([self.organization_id])
        return [slot.isoformat() for slot in slots]

    async def go_down(self, check: int = 0) -> None:
        """One transaction that changes the status of a check and opens an incident."""
        organization_id, check_id = self.organization_id, self.check_ids[check]
        async with self.pool.acquire() as connection, connection.transaction():
            change = await connection.fetchval(_STATUS_CHANGE, organization_id, check_id, "UP", "DOWN", NOON, 4)
            incident = await connection.fetchval(_INCIDENT, organization_id, check_id, NOON)
            event = await connection.fetchval(_INCIDENT_EVENT, organization_id, incident, "OPENED", NOON)
            await append_news(connection, {organization_id: News([], [change], [event])})
        await self.doorbell.ring([organization_id])

    async def come_back(self, check: int = 0) -> None:
        """One transaction that changes the status back and resolves the incident."""
        organization_id, check_id = self.organization_id, self.check_ids[check]
        async with self.pool.acquire() as connection, connection.transaction():
            change = await connection.fetchval(_STATUS_CHANGE, organization_id, check_id, "DOWN", "UP", NOON, None)
            incident = await connection.fetchval(_RESOLVE, check_id, NOON)
            event = await connection.fetchval(_INCIDENT_EVENT, organization_id, incident, "RESOLVED", NOON)
            await append_news(connection, {organization_id: News([], [change], [event])})
        await self.doorbell.ring([organization_id])


async def make_world(owner: asyncpg.Connection, pool: Pool, doorbell: Doorbell, name: str) -> World:
    organization_id = await ensure_organization(owner, name)
    full = await create_token(owner, organization_id, "full", TokenPermission.FULL)
    reading = await create_token(owner, organization_id, "reading", TokenPermission.READ_ONLY)
    world = World(pool, doorbell, organization_id, full, reading, [], [])
    for number in range(2):
        site = "INSERT INTO sites (organization_id, name) VALUES ($1, $2) RETURNING id"
        world.site_ids.append(await owner.fetchval(site, organization_id, f"site {number}"))
        check_id = await owner.fetchval(_CHECK, organization_id, world.site_ids[number], f"check {number}")
        await owner.execute(_STATE, check_id, organization_id, NOON)
        world.check_ids.append(check_id)
    return world


@dataclass
class Api:
    """A server of the API in this process, and what is inside."""

    entry: Entry
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, **options: Any) -> connect:
        """Open a WebSocket and nothing more."""
        url = self.url.replace("http", "ws") + "/graphql"
        protocols = [Subprotocol("graphql-transport-ws")]
        # What a test leaves unread must not keep the client from seeing how its socket is closed.
        return connect(url, subprotocols=protocols, compression=None, max_queue=None, close_timeout=1, **options)

    async def joined(self, count: int = 1) -> None:
        """Wait until so many subscribers get what happens now."""
        async with asyncio.timeout(10):
            while self.subscribers != count:  # noqa: ASYNC110 - the hub has no reason to tell
                await asyncio.sleep(0.002)

    @property
    def groups(self) -> list[Group]:
        return [group for feed in self.entry.hub._feeds.values() for group in feed._groups.values()]

    async def someone_joins(self) -> None:
        """Wait until somebody is about to join a feed, or has made a second group."""
        feeds = self.entry.hub._feeds.values()
        async with asyncio.timeout(10):
            while len(self.groups) == 1 and not any(feed._reading._waiters for feed in feeds):  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    @property
    def subscribers(self) -> int:
        return sum(len(group.live._here) for group in self.groups)

    @asynccontextmanager
    async def client(self, token: str) -> AsyncIterator["Client"]:
        """A client that is acknowledged."""
        async with self.connect() as socket:
            client = Client(socket)
            await client.send(type="connection_init", payload={"Authorization": f"Bearer {token}"})
            client.start_cursor = (await client.receive())["payload"]["cursor"]
            yield client


@dataclass
class Client:
    """Speaks graphql-transport-ws."""

    socket: ClientConnection
    start_cursor: str = ""

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        return message

    async def subscribe(self, query: str = RESULTS, operation_id: str = "1", **variables: Any) -> None:
        await self.send(type="subscribe", id=operation_id, payload={"query": query, "variables": variables})

    async def next(self) -> dict[str, Any]:
        """The next event, whatever its subscription."""
        message = await self.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (event,) = message["payload"]["data"].values()
        assert isinstance(event, dict)
        return event

    async def slots(self, count: int) -> list[str]:
        """The slots of the next results."""
        return [(await self.next())["result"]["slot"] for _ in range(count)]

    async def error(self) -> str:
        """The code of the error that ends an operation."""
        return str((await self.whole_error())["extensions"]["code"])

    async def whole_error(self) -> dict[str, Any]:
        """The error that ends an operation."""
        message = await self.receive()
        assert message["type"] == "error", message
        error: dict[str, Any] = message["payload"][0]
        return error


async def closed(socket: ClientConnection) -> int:
    """Read until the server closes the socket; return the code with which it does."""
    async with asyncio.timeout(10):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code


@asynccontextmanager
async def run_api(doorbell: Doorbell) -> AsyncIterator[Api]:
    """Serve the API on a free port of the loopback interface; Tortoise must be open."""
    gate = Gate(Authenticator(), Hints(), RateLimiter(), KeyRing({}))
    entry = Entry(schema, gate, doorbell, allowed_origins=["https://status.example.com"])
    app = Starlette(routes=[*live_routes(entry), Route("/graphql", GraphQLView(gate))])
    config = uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1, **UVICORN_OPTIONS)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        async with entry.running():
            yield Api(entry, server.servers[0].sockets[0].getsockname()[1])
    finally:
        await server.shutdown()
