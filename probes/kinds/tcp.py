"""The prober for TCP ports."""

from probes.engine import Engine
from probes.trace import Trace
from probes.wire.dialing import dial
from tocsin.domain.targets.tcp import TcpTarget


async def probe_tcp(target: TcpTarget, engine: Engine, trace: Trace) -> None:
    """Return if the port accepts a connection. Raises ProbeFailure if it does not."""
    connection = await dial(target.host, target.port, engine, trace)
    connection.abort()
