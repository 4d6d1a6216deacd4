"""How memcached is asked: by its text protocol, over a connection that the egress guard has judged."""

from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.dialing import dial
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin_kind_memcached.target import MemcachedTarget

_MAX_BYTES: Final = 64 * 1024


async def probe_memcached(target: MemcachedTarget, engine: Engine, trace: Trace) -> None:
    """Return if the server tells its statistics, and they are as expected. Raises ProbeFailure if not."""
    connection = await dial(target.host, target.port, engine, trace)
    try:
        trace.enter(Phase.PROCESSING)
        connection.send(b"stats\r\n")
        statistics = _read(await _receive(connection))
    finally:
        connection.abort()
    trace.facts[Source.BODY] = "\n".join(f"{name}: {value}" for name, value in statistics.items())
    _judge(statistics, target)


async def _receive(connection: ByteStream) -> bytes:
    received = b""
    while not received.endswith(b"END\r\n"):
        part = await connection.receive()
        received += part
        if not part or len(received) > _MAX_BYTES:
            raise ProbeFailure(Reason.PROTOCOL, "the server does not speak memcached's text protocol")
    return received


def _read(answer: bytes) -> dict[str, str]:
    lines = (line.split(b" ", 2) for line in answer.splitlines())
    return {_text(words[1]): _text(words[2]) for words in lines if len(words) == 3 and words[0] == b"STAT"}


def _text(word: bytes) -> str:
    return word.decode("ascii", "replace")[:100]


def _judge(statistics: dict[str, str], target: MemcachedTarget) -> None:
    if "version" not in statistics:
        raise ProbeFailure(Reason.PROTOCOL, "the server does not tell its version")
    most, connections = target.maximum_connections, statistics.get("curr_connections", "")
    if most is not None and not (connections.isdecimal() and int(connections) <= most):
        raise ProbeFailure(
            Reason.ASSERTION, f"{connections or 'an unknown number of'} connections are open, {most} may be"
        )
