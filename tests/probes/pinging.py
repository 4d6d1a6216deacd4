"""Pings loopback in a network of its own, without raw sockets: `python -m tests.probes.pinging`.

The first argument is what net.ipv4.ping_group_range shall be, the second the address. It prints reason and message.
"""

import asyncio
import fcntl
import socket
import struct
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import probe
from tocsin.domain.targets.icmp import IcmpTarget

_SIOCSIFFLAGS, _UP = 0x8914, 0x1


async def ping(address: str) -> None:
    engine = Engine(EgressPolicy(allow_private=True), now=lambda: datetime.now(UTC))
    observation = await probe(IcmpTarget(host=address, interval_ms=10), timedelta(seconds=5), engine)
    print(observation.outcome.value, observation.message)  # noqa: T201 - what the test reads


def main(group_range: str, address: str) -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP))
    Path("/proc/sys/net/ipv4/ping_group_range").write_text(group_range)
    asyncio.run(ping(address))


if __name__ == "__main__":
    main(*sys.argv[1:])
