"""What a trick is: a server that means harm, a target on it, and how a probe must end."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.domain.observations import Reason

Talk = Callable[[StreamReader, StreamWriter], Awaitable[None]]
Datagrams = Callable[[bytes], Iterable[bytes]]
"""What is sent back for a datagram."""

ADDRESS: Final = "127.0.0.1"
# Stands in a target's fields for what is known once the servers run.
PORT: Final = "{port}"
CA: Final = "{ca}"
BLOCK: Final = bytes(64 * 1024)


@dataclass(frozen=True)
class Trick:
    """`reasons` are those that a probe may end with, None for success.

    `certificate` names the file of `HostileServers` by which a server speaks TLS. With `names`, it is a name server
    that the probe asks.
    """

    name: str
    kind: str
    fields: Mapping[str, Any]
    reasons: frozenset[Reason | None]
    talk: Talk | None = None
    datagrams: Datagrams | None = None
    certificate: str | None = None
    names: bool = False
    only_public: bool = False
    timeout_seconds: float = 0.5
    environment: Mapping[str, str] = field(default_factory=dict)


def filled(value: Any, port: int, ca: str) -> Any:
    """The fields of a target with the server's port and authority in their places."""
    if isinstance(value, Mapping):
        return {name: filled(each, port, ca) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, port, ca) for each in value]
    if value == PORT:
        return port
    return value.replace(PORT, str(port)).replace(CA, ca) if isinstance(value, str) else value


def only(*reasons: Reason | None) -> frozenset[Reason | None]:
    return frozenset(reasons)


async def silent(_reader: StreamReader, _writer: StreamWriter) -> None:
    await asyncio.Event().wait()


def says(*parts: bytes, stay: bool = False) -> Talk:
    """Waits for the first bytes, answers, and closes or stays silent."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(65_536)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if stay:
            await asyncio.Event().wait()

    return talk


def greets(*parts: bytes, stay: bool = True) -> Talk:
    """As `says`, but speaks first."""

    async def talk(_reader: StreamReader, writer: StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if stay:
            await asyncio.Event().wait()

    return talk


def floods(head: bytes, block: bytes, *, first: bool = False) -> Talk:
    """Sends the block without end, as fast as it is taken."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        if not first:
            await reader.read(65_536)
        writer.write(head)
        while not writer.is_closing():
            writer.write(block)
            await writer.drain()
            # The client may be gone, which draining alone does not notice.
            await asyncio.sleep(0)

    return talk


def drips(head: bytes, drop: bytes, *, seconds: float = 0.02) -> Talk:
    """Sends a little again and again."""

    async def talk(_reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(seconds)

    return talk
