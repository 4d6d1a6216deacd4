"""STARTTLS: TLS begins when the server has agreed, and nothing said before counts afterwards."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from datetime import timedelta
from pathlib import Path

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.dialing import dial
from probes.wire.starttls import upgrade
from probes.wire.tls_contexts import TlsContexts
from tests.probes.certificates import Authority
from tests.probes.conftest import STARTED_AT
from tests.probes.serving import Serve, Talk
from tocsin.domain.observations import Reason
from tocsin.domain.targets.security import StartTls

Lines = tuple[bytes, ...]
AGREEING: dict[StartTls, Lines] = {
    StartTls.SMTP: (b"220 mail\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go\r\n"),
    StartTls.IMAP: (b"* OK imap\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS\r\nt1 OK\r\n", b"t2 OK go\r\n"),
    StartTls.POP3: (b"+OK pop\r\n", b"+OK go\r\n"),
    StartTls.POSTGRES: (b"", b"S"),
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def engine(authority: Authority) -> Engine:
    return Engine(EgressPolicy(allow_private=True), now=lambda: STARTED_AT, tls_contexts=TlsContexts(authority.ca_file))


def saying(lines: Lines, tls: ssl.SSLContext | None = None) -> Talk:
    """Says the first line, then one for each thing that it hears; then TLS, in which it says `secured`."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(lines[0])
        for line in lines[1:]:
            await reader.read(1000)
            writer.write(line)
        if tls is not None:
            await writer.start_tls(tls)
            writer.write(b"secured")
            await writer.drain()
        await reader.read()

    return talk


async def secured_by(protocol: StartTls, port: int, engine: Engine, trace: Trace) -> bytes:
    connection = await dial("127.0.0.1", port, engine, trace)
    try:
        secured = await upgrade(protocol, connection, "localhost", engine.tls_contexts.of(), trace)
        return await secured.receive()
    finally:
        connection.abort()


async def failing(protocol: StartTls, port: int, engine: Engine) -> ProbeFailure:
    with pytest.raises(ProbeFailure) as caught:
        async with asyncio.timeout(5):
            await secured_by(protocol, port, engine, Trace(timedelta(seconds=5)))
    return caught.value


@pytest.mark.parametrize("protocol", StartTls)
async def test_tls_begins_once_the_server_agreed(
    serve: Serve, engine: Engine, authority: Authority, protocol: StartTls
) -> None:
    trace = Trace(timedelta(seconds=5))
    port = await serve(saying(AGREEING[protocol], authority.server_context()))
    assert await secured_by(protocol, port, engine, trace) == b"secured"
    assert (trace.phase, trace.tls_version, trace.tls_verified) == (Phase.TLS, "TLSv1.3", True)


@pytest.mark.parametrize("protocol", StartTls)
async def test_what_is_said_ahead_of_tls_is_dropped(
    serve: Serve, engine: Engine, authority: Authority, protocol: StartTls
) -> None:
    *others, last = AGREEING[protocol]
    injected = saying((*others, last + b"250 injected\r\n"), authority.server_context())
    trace = Trace(timedelta(seconds=5))
    assert await secured_by(protocol, await serve(injected), engine, trace) == b"secured"


@pytest.mark.parametrize(
    ("protocol", "lines", "message"),
    [
        (StartTls.SMTP, (b"220 mail\r\n", b"250 mail\r\n"), "the server does not offer STARTTLS"),
        (
            StartTls.SMTP,
            (b"220 mail\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"454 TLS not available\r\n"),
            "the server refused STARTTLS: 454 TLS not available",
        ),
        (StartTls.IMAP, (b"* OK imap\r\n", b"t1 OK\r\n"), "the server does not offer STARTTLS"),
        (
            StartTls.IMAP,
            (b"* OK imap\r\n", b"* CAPABILITY STARTTLS\r\nt1 OK\r\n", b"t2 BAD no\r\n"),
            "the server refused STARTTLS: BAD no",
        ),
        (StartTls.POP3, (b"+OK pop\r\n", b"-ERR unknown\r\n"), "the server does not offer STLS: -ERR unknown"),
        (StartTls.POSTGRES, (b"", b"N"), "the server does not offer TLS"),
    ],
)
async def test_a_server_that_does_not_offer_it_is_told(
    serve: Serve, engine: Engine, protocol: StartTls, lines: Lines, message: str
) -> None:
    failure = await failing(protocol, await serve(saying(lines)), engine)
    assert (failure.reason, failure.message) == (Reason.TLS, message)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (StartTls.SMTP, b"SSH-2.0-OpenSSH_9.6\r\n"),
        (StartTls.IMAP, b"220 mail\r\n"),
        (StartTls.POP3, b"* OK imap\r\n"),
        (StartTls.POSTGRES, b"H"),
    ],
)
async def test_a_server_of_another_protocol_is_told(
    serve: Serve, engine: Engine, protocol: StartTls, said: bytes
) -> None:
    failure = await failing(protocol, await serve(saying((said,))), engine)
    assert failure.reason is Reason.PROTOCOL


async def test_a_greeting_that_refuses_is_a_status(serve: Serve, engine: Engine) -> None:
    failure = await failing(StartTls.SMTP, await serve(saying((b"554 go away\r\n",))), engine)
    assert (failure.reason, failure.message) == (Reason.STATUS, "expected 220 as the greeting, got 554 go away")


async def test_what_is_said_in_clear_is_not_in_the_phase_of_tls(
    serve: Serve, engine: Engine, authority: Authority
) -> None:
    async def slow(reader: StreamReader, writer: StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(b"+OK pop\r\n")
        await reader.readline()
        await asyncio.sleep(0.3)
        writer.write(b"+OK go\r\n")
        await writer.start_tls(authority.server_context())
        writer.write(b"secured")
        await reader.read()

    trace = Trace(timedelta(seconds=10))
    assert await secured_by(StartTls.POP3, await serve(slow), engine, trace) == b"secured"
    trace.enter(None)
    phases = trace.phases()
    assert (phases.processing or timedelta()) >= timedelta(seconds=0.29)
    assert timedelta() < (phases.tls or timedelta()) < (phases.processing or timedelta())
