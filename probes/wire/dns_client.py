"""Questions to name servers: over UDP from a socket of their own, over TCP where the answer was cut off."""

import asyncio
import secrets
import socket
from collections.abc import Sequence
from typing import Final

from probes.failures import ProbeFailure
from probes.wire.dns_messages import Answer, Query, RecordType, ResponseCode, read_answer
from tocsin.domain.observations import Reason

Nameserver = tuple[str, int]
"""An IP address and a port."""

# One entry per round over all name servers: how long each of them may take.
_PATIENCE_SECONDS: Final = (1.0, 2.0, 2.0)
_DECISIVE: Final = frozenset({ResponseCode.NOERROR, ResponseCode.NXDOMAIN})
_DATAGRAM_BYTES: Final = 4096


async def ask(name: str, record_type: RecordType, nameservers: Sequence[Nameserver]) -> Answer:
    """The first answer that settles whether the name has such records. Raises ProbeFailure with reason DNS."""
    why = "no name server answered"
    for patience_seconds in _PATIENCE_SECONDS:
        for nameserver in nameservers:
            try:
                async with asyncio.timeout(patience_seconds):
                    answer = await _ask_one(Query(secrets.randbelow(0x1_0000), name, record_type), nameserver)
            except TimeoutError:
                continue
            except OSError:
                why = "no name server could be reached"
                continue
            if answer.code in _DECISIVE:
                return answer
            why = f"the name server answered {_code_name(answer.code)}"
    raise ProbeFailure(Reason.DNS, f"{why} for {name}")


async def _ask_one(query: Query, nameserver: Nameserver) -> Answer:
    answer = await _ask_by_udp(query, nameserver)
    if answer.truncated and not answer.addresses:
        return await _ask_by_tcp(query, nameserver)
    return answer


async def _ask_by_udp(query: Query, nameserver: Nameserver) -> Answer:
    """A port of its own for each query makes its answer as hard to forge as it can be."""
    loop = asyncio.get_running_loop()
    with socket.socket(_family(nameserver), socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(nameserver)
        sock.send(query.to_wire())
        while True:
            if answer := read_answer(await loop.sock_recv(sock, _DATAGRAM_BYTES), query):
                return answer
            # A flood of others is always ready to be read, and must not keep everybody else from their turn.
            await asyncio.sleep(0)


async def _ask_by_tcp(query: Query, nameserver: Nameserver) -> Answer:
    reader, writer = await asyncio.open_connection(*nameserver)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2) + wire)
        length = int.from_bytes(await reader.readexactly(2))
        answer = read_answer(await reader.readexactly(length), query)
    except asyncio.IncompleteReadError as exc:
        raise ConnectionResetError("the name server closed the connection") from exc
    finally:
        writer.transport.abort()
    if answer is None:
        raise ConnectionError("the name server's answer does not fit the question")
    return answer


def _family(nameserver: Nameserver) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in nameserver[0] else socket.AF_INET


def _code_name(code: int) -> str:
    try:
        return ResponseCode(code).name
    except ValueError:
        return f"code {code}"
