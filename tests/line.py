"""A TCP line to a server, which can be cut and mended."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


class Line:
    """Leads from a port of the loopback interface to the server of a URL, on TCP or on a unix socket."""

    def __init__(self, url: str) -> None:
        self._far = urlsplit(url)
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.taken = asyncio.Event()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Cut every connection; new ones are refused until the line is mended."""
        self._server.close()
        self.interrupt()

    def interrupt(self) -> None:
        """Cut every connection; new ones may come at once."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._far.scheme == "unix":
            far_reader, far_writer = await asyncio.open_unix_connection(self._far.path)
        else:
            far_reader, far_writer = await asyncio.open_connection(self._far.hostname, self._far.port)
        self.writers += [writer, far_writer]
        self.taken.set()
        with suppress(OSError):
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
