"""The prober for UDP ports."""

import asyncio

from probes.engine import Engine
from probes.trace import Phase, Trace
from probes.unmet import Unmet, counted
from probes.wire.datagrams import Datagrams
from probes.wire.dialing import find_addresses
from probes.wire.expecting import Expected, note_received
from tocsin.domain.targets.exchanges import to_bytes
from tocsin.domain.targets.udp import UdpTarget


async def probe_udp(target: UdpTarget, engine: Engine, trace: Trace) -> None:
    """Return if a datagram comes back that holds what is expected. Raises ProbeFailure if none does."""
    addresses = await find_addresses(target.host, target.port, engine, trace, target.ip_family)
    trace.address = addresses[0]
    trace.enter(Phase.PROCESSING)
    with Datagrams(addresses[0], target.port) as datagrams:
        datagrams.send(to_bytes(target.send, target.send_as))
        await _await(target, datagrams, trace)


async def _await(target: UdpTarget, datagrams: Datagrams, trace: Trace) -> None:
    """Others may come before the one that is expected."""
    expected = Expected.of(target.expect, target.expect_as)
    came, datagram = 0, b""
    try:
        while expected.end_in(datagram := await datagrams.receive()) is None:
            came += 1
            note_received(datagram, trace)
        note_received(datagram, trace)
    except asyncio.CancelledError:
        if came:
            trace.unmet = Unmet(target.expect, datagram, count=counted(came, "datagram"))
        raise
