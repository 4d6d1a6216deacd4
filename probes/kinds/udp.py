"""The prober for UDP ports."""

import asyncio
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.datagrams import Datagrams
from probes.wire.dialing import find_addresses
from probes.wire.expecting import Expected, note_received
from tocsin.domain.observations import Reason
from tocsin.domain.targets.exchanges import to_bytes
from tocsin.domain.targets.udp import UdpTarget

# What is left is for telling what came instead.
_SHARE_FOR_WAITING: Final = 0.95


async def probe_udp(target: UdpTarget, engine: Engine, trace: Trace) -> None:
    """Return if a datagram comes back that holds what is expected. Raises ProbeFailure if none does."""
    addresses = await find_addresses(target.host, target.port, engine, trace, target.ip_family)
    trace.address = addresses[0]
    trace.enter(Phase.PROCESSING)
    with Datagrams(addresses[0], target.port) as datagrams:
        datagrams.send(to_bytes(target.send, target.send_as))
        await _await(Expected.of(target.expect, target.expect_as), datagrams, trace)


async def _await(expected: Expected, datagrams: Datagrams, trace: Trace) -> None:
    """Raises TimeoutError if nothing comes at all."""
    came = 0
    try:
        async with asyncio.timeout(trace.remaining_seconds * _SHARE_FOR_WAITING):
            while True:
                datagram = await datagrams.receive()
                note_received(datagram, trace)
                came += 1
                if expected.end_in(datagram) is not None:
                    return
    except TimeoutError:
        if came:
            raise ProbeFailure(
                Reason.ASSERTION, f"of {came} datagrams that came, none holds what is expected"
            ) from None
        raise
