"""A real receiver on a socket, with a check that waits for reports."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import httpx
import pytest
import uvicorn

from receiver.main import make_server
from tests.services.conftest import organization
from tocsin.database import Connection
from tocsin.pulse import Pulse
from tocsin.settings import Broker, Egress, Receiver, Servers, Settings

__all__ = ["organization"]

_CHECK = """
INSERT INTO checks (organization_id, site_id, name, kind, target, interval_seconds, timeout_ms, failure_threshold,
                    success_threshold)
VALUES ($1, 1, 'job', $2, '{"period_seconds": 300, "grace_seconds": 60}', 10, 1000, 1, 1) RETURNING id
"""

MakeKey = Callable[..., Awaitable[UUID]]


@pytest.fixture
def make_key(owner: Connection, organization: int) -> MakeKey:
    """Make a check that waits for reports, and return its key."""

    async def make(kind: str = "heartbeat") -> UUID:
        check_id = await owner.fetchval(_CHECK, organization, kind)
        statement = "INSERT INTO heartbeats (check_id, organization_id) VALUES ($1, $2) RETURNING key"
        key: UUID = await owner.fetchval(statement, check_id, organization)
        return key

    return make


@pytest.fixture
async def key(make_key: MakeKey) -> UUID:
    return await make_key()


class Embedded(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def address(database_url: str) -> AsyncIterator[tuple[str, int]]:
    """Where the receiver listens."""
    async with receiving(database_url) as address:
        yield address


class receiving:  # noqa: N801 - it reads as a function
    """Run a receiver on a database."""

    def __init__(
        self,
        database_url: str,
        broker: Broker | None = None,
        ca_file: str | None = None,
        proxies: tuple[str, ...] = (),
    ) -> None:
        servers = Servers(database_url, "unix:///")
        settings = Settings(
            servers, receiver=Receiver(broker=broker, trusted_proxies=proxies), egress=Egress(extra_ca_file=ca_file)
        )
        self._socket = socket.create_server(("127.0.0.1", 0))
        server = make_server(settings, Pulse())
        self.server = Embedded(server.config)

    async def __aenter__(self) -> tuple[str, int]:
        self._serving = asyncio.create_task(self.server.serve([self._socket]))
        while not self.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        host, port = self._socket.getsockname()
        return host, port

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        await self._serving


@pytest.fixture
async def client(address: tuple[str, int]) -> AsyncIterator[httpx.AsyncClient]:
    host, port = address
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False, timeout=20) as client:
        yield client


Reports = Callable[[], Awaitable[list[asyncpg.Record]]]


@pytest.fixture
def reports(owner: Connection) -> Reports:
    """What is kept of reports, in their order."""

    async def read() -> list[asyncpg.Record]:
        return await owner.fetch("SELECT * FROM heartbeat_reports ORDER BY check_id, number")

    return read
