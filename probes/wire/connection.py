"""TCP connections, read by pulling.

They stand on the event loop's own transport, which under uvloop is all C (per 1,000 exchanges on loopback 45 CPU-ms,
against 54 with a socket and `add_reader`), and TLS on a `MemoryBIO` (770 against 830 with a non-blocking `SSLSocket`).
"""

import asyncio
from typing import Final, Protocol, cast

_PAUSE_BYTES: Final = 64 * 1024


class ByteStream(Protocol):
    """What an exchange needs of a connection, secured or not."""

    def send(self, data: bytes) -> None:
        """Send soon; the bytes are buffered until the peer takes them."""

    async def receive(self) -> bytes:
        """Whatever arrives next, and b"" at the end. Raises OSError when the connection breaks."""

    def abort(self) -> None:
        """Close at once; what is still to be sent or received is dropped."""


class Connection(asyncio.Protocol):
    """A TCP connection whose peer is only read as fast as somebody calls `receive`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport
        self._received = b""
        self._paused = False
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    async def receive(self) -> bytes:
        """Whatever arrives next, and b"" at the end. Raises OSError when the connection breaks."""
        if not self._received and not self._ended:
            self._waiter = self._loop.create_future()
            await self._waiter
        data, self._received = self._received, b""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if not data and self._error is not None:
            raise self._error
        return data

    def abort(self) -> None:
        """Close at once; what is still to be sent or received is dropped."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if len(self._received) >= _PAUSE_BYTES:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._error = exc
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def open_connection(address: str, port: int) -> Connection:
    """Connect to an IP address. Raises OSError."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(loop), address, port)
    return connection
