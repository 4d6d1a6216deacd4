"""Targets that say exactly the bytes a test wants, and probes of them, on both event loops."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import probe
from probes.wire.name_service import NameService
from probes.wire.resolver import Resolver
from probes.wire.tls_contexts import TlsContexts
from tests.probes.name_server import NameServer
from tests.probes.serving import Observe, Serve, ServeBytes, Talk, read_request
from tocsin.domain.observations import Observation
from tocsin.domain.targets.http import HttpTarget

STARTED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Workers run on uvloop; on interpreters that have none, on asyncio."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def tls_contexts() -> TlsContexts:
    """Made once, as it reads all public authorities."""
    return TlsContexts()


@pytest.fixture
async def engine(tls_contexts: TlsContexts) -> AsyncIterator[Engine]:
    engine = Engine(EgressPolicy(allow_private=True), now=lambda: STARTED_AT, tls_contexts=tls_contexts)
    yield engine
    await engine.evaluator.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[asyncio.Server] = []
    conversations: set[asyncio.Task[None]] = set()

    async def start(talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> int:
        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            conversations.add(asyncio.current_task())  # type: ignore[arg-type]  # a server's callback is a task
            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await talk(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(converse, host, 0, ssl=tls)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    for conversation in conversations:
        conversation.cancel()
    await asyncio.gather(*conversations, return_exceptions=True)
    await asyncio.sleep(0)  # Lets the transports close.


@pytest.fixture
async def serve_bytes(serve: Serve) -> ServeBytes:
    async def start(*parts: bytes, stay: bool = False) -> str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            if stay:
                await asyncio.Event().wait()

        return f"http://127.0.0.1:{await serve(talk)}/"

    return start


@pytest.fixture
def observe(engine: Engine) -> Observe:
    default = engine

    async def observe(url: str, timeout_seconds: float = 5, engine: Engine | None = None, **fields: Any) -> Observation:
        return await probe(HttpTarget(url=url, **fields), timedelta(seconds=timeout_seconds), engine or default)

    return observe


@pytest.fixture
def unused_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def ipv6() -> None:
    """Skips a test where the machine has no IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as candidate:
            candidate.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback address")


@pytest.fixture
async def name_server(serve: Serve) -> AsyncIterator[NameServer]:
    """A name server that answers over UDP, and over TCP on the same port."""
    loop = asyncio.get_running_loop()
    server = NameServer()
    port = await serve(server.talk)
    await loop.create_datagram_endpoint(lambda: server, ("127.0.0.1", port))
    yield server
    server.close()


@pytest.fixture
def resolver(name_server: NameServer, tmp_path: Path) -> Resolver:
    return Resolver(NameService((name_server.endpoint,)), hosts=tmp_path / "hosts")
