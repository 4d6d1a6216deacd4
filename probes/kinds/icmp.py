"""The prober for hosts that answer echo requests."""

import asyncio
from collections.abc import Sequence
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.dialing import find_addresses
from probes.wire.icmp import EchoSocket
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.icmp import IcmpTarget

# So much of the time is for sending, and so much is left for telling what was seen.
_SHARE_FOR_SENDING: Final = 0.5
_SHARE_FOR_TELLING: Final = 0.1
# How long others are waited for when some have been answered.
_STRAGGLERS_SECONDS: Final = 1.0


async def probe_icmp(target: IcmpTarget, engine: Engine, trace: Trace) -> None:
    """Return if enough packets are answered. Raises ProbeFailure if they are not."""
    addresses = await find_addresses(target.host, None, engine, trace, target.ip_family)
    trace.address = addresses[0]
    trace.enter(Phase.PROCESSING)
    with EchoSocket(addresses[0], target.size_bytes) as echo:
        round_trips = await _ping(echo, target, trace)
        _note(round_trips, target, trace)
        _judge(len(round_trips), target, trace.address, echo.trouble)


async def _ping(echo: EchoSocket, target: IcmpTarget, trace: Trace) -> Sequence[float]:
    """Send the packets, and return how many seconds those that were answered took."""
    interval = min(target.interval_ms / 1000, trace.remaining_seconds * _SHARE_FOR_SENDING / target.count)
    patience = trace.remaining_seconds - trace.timeout.total_seconds() * _SHARE_FOR_TELLING
    round_trips: list[float] = []
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    for number in range(target.count):
        echo.send(number)
        is_last = number == target.count - 1
        until = began_at + (patience if is_last else interval * (number + 1))
        await _collect(echo, round_trips, target.count, until, is_last=is_last)
    return round_trips


async def _collect(echo: EchoSocket, round_trips: list[float], count: int, until: float, *, is_last: bool) -> None:
    """Take replies until this time of the loop's clock, or until there is nothing more to wait for."""
    loop = asyncio.get_running_loop()
    while len(round_trips) < count:
        if is_last and round_trips:
            until = min(until, loop.time() + _STRAGGLERS_SECONDS + 2 * max(round_trips))
        try:
            async with asyncio.timeout_at(until):
                _, seconds = await echo.receive()
        except TimeoutError:
            return
        round_trips.append(seconds)


def _note(round_trips: Sequence[float], target: IcmpTarget, trace: Trace) -> None:
    trace.facts[Source.LOSS] = 100 * (1 - len(round_trips) / target.count)
    if round_trips:
        # Without the pauses between the packets.
        mean = trace.measured[Phase.PROCESSING] = sum(round_trips) / len(round_trips)
        parts = {"min": min(round_trips), "mean": mean, "max": max(round_trips)}
        trace.facts[Source.ROUND_TRIP] = {name: round(seconds * 1000, 3) for name, seconds in parts.items()}


def _judge(answered: int, target: IcmpTarget, address: str, trouble: str | None) -> None:
    lost = target.count - answered
    if not answered and trouble:
        raise ProbeFailure(Reason.CONNECT, f"could not reach {address}: {trouble}")
    if not answered:
        packets = "the packet" if target.count == 1 else f"any of {target.count} packets"
        raise ProbeFailure(Reason.TIMEOUT, f"{address} did not answer {packets} in time")
    if lost * 100 > target.maximum_loss_percent * target.count:
        raise ProbeFailure(
            Reason.ASSERTION,
            f"{address} did not answer {lost} of {target.count} packets; "
            f"at most {target.maximum_loss_percent}% may be lost",
        )
