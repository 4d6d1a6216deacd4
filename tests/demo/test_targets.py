"""The demo's targets do what the names of its checks say."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tocsin.demo.certificates import EXPIRES_IN, make_certificates
from tocsin.demo.targets import ADDRESS, PERIOD_SECONDS, SLOW_SECONDS, Targets, bounded


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Served:
    """Targets behind one port, at a time that the test decides."""

    clock: Clock = field(default_factory=Clock)
    port: int = 0

    async def status(self, path: str) -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://{ADDRESS}:{self.port}{path}")).status_code


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    made = Served()
    targets = Targets(made.clock)
    async with await asyncio.start_server(bounded(targets.answer_http), ADDRESS, 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


async def test_the_steady_target_is_well(served: Served) -> None:
    assert await served.status("/steady") == 200


async def test_the_slow_target_takes_its_time(served: Served) -> None:
    started = asyncio.get_running_loop().time()
    assert await served.status("/slow") == 200
    assert asyncio.get_running_loop().time() - started >= SLOW_SECONDS


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (11, 200), (13, 503), (31, 503), (33, 200), (119, 200)])
async def test_the_failing_target_fails_once_in_each_period(served: Served, seconds: float, status: int) -> None:
    served.clock.seconds += seconds
    assert await served.status("/failing") == status
    served.clock.seconds += PERIOD_SECONDS
    assert await served.status("/failing") == status


async def test_a_client_that_says_nothing_sensible_is_let_go(served: Served) -> None:
    reader, writer = await asyncio.open_connection(ADDRESS, served.port)
    writer.write(b"x" * 100_000)
    assert await reader.read() == b""
    writer.close()


async def handshake(folder: Path, host: str) -> ssl.SSLObject:
    """Shake hands with a target, as a client that trusts the demo's authority alone."""
    made = make_certificates(ADDRESS)
    (folder / "target.pem").write_bytes(made.target_with_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "target.pem")
    trusting = ssl.create_default_context(cadata=made.authority.decode())
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    targets = Targets(Clock())
    async with await asyncio.start_server(bounded(targets.answer_tcp), ADDRESS, 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(ADDRESS, port, ssl=trusting, server_hostname=host)
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.close()
        await writer.wait_closed()
        return session


async def test_the_certificate_is_trusted_and_expires_soon(tmp_path: Path) -> None:
    certificate = (await handshake(tmp_path, ADDRESS)).getpeercert() or {}
    expiry = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    assert EXPIRES_IN - timedelta(minutes=5) < expiry - datetime.now(UTC) <= EXPIRES_IN


async def test_the_certificate_is_for_that_address_alone(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(tmp_path, "tocsin.example")
