"""The prober for TCP ports."""

import asyncio
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.unmet import Unmet
from probes.wire.connection import ByteStream
from probes.wire.dialing import dial
from probes.wire.expecting import Expected, note_received
from probes.wire.routes import Route, start_tls_on
from probes.wire.starttls import ask_for_tls
from tocsin.domain.observations import Reason
from tocsin.domain.targets.exchanges import TcpStep, to_bytes
from tocsin.domain.targets.tcp import TcpTarget

# What a server sends byte by byte is not searched for a pattern at each.
_BETWEEN_SEARCHES_SECONDS: Final = 0.01


async def probe_tcp(target: TcpTarget, engine: Engine, trace: Trace) -> None:
    """Return if the port accepts a connection, and says what is expected. Raises ProbeFailure if it does not."""
    connection = await dial(target.host, target.port, engine, trace, target.ip_family)
    try:
        if target.is_secured or target.steps:
            await _converse(target, connection, engine, trace)
    finally:
        connection.abort()


async def _converse(target: TcpTarget, connection: ByteStream, engine: Engine, trace: Trace) -> None:
    if target.starttls is not None:
        await ask_for_tls(target.starttls, connection, trace)
    if target.is_secured:
        connection = await start_tls_on(connection, target.host, Route(target.tls, alpn=()), engine, trace)
    if target.steps:
        trace.enter(Phase.PROCESSING)
        await _take_steps(target.steps, connection, trace)


async def _take_steps(steps: tuple[TcpStep, ...], connection: ByteStream, trace: Trace) -> None:
    received = bytearray()
    end = 0
    try:
        for number, step in enumerate(steps, 1):
            if step.send is not None:
                connection.send(to_bytes(step.send, step.send_as))
            if step.expect is not None:
                expected = Expected.of(step.expect, step.expect_as)
                place = f"step {number}: "
                try:
                    end = await _await(expected, connection, received, end, place)
                except asyncio.CancelledError:
                    trace.unmet = Unmet(step.expect, bytes(received[end:]), place)
                    raise
    finally:
        note_received(received, trace)


async def _await(expected: Expected, connection: ByteStream, received: bytearray, begin: int, place: str) -> int:
    """Read until it has come behind what an earlier step found, and return where it ends."""
    while (end := expected.end_in(received, begin)) is None:
        if len(received) - begin >= expected.most_bytes:
            raise ProbeFailure(
                Reason.BODY_LIMIT, f"{place}the first {expected.most_bytes // 1024} KiB do not hold what is expected"
            )
        if expected.is_dear and received:
            await asyncio.sleep(_BETWEEN_SEARCHES_SECONDS)
        received += await _receive(connection, place, len(received) - begin)
    return end


async def _receive(connection: ByteStream, place: str, came: int) -> bytes:
    try:
        data = await connection.receive()
    except OSError as exc:
        raise ProbeFailure(Reason.PROTOCOL, f"{place}the connection broke before what is expected came") from exc
    if not data:
        raise ProbeFailure(
            Reason.ASSERTION, f"{place}the server closed the connection after {came} bytes without what is expected"
        )
    return data
