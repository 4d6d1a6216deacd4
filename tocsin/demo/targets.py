"""What the demo's checks watch: `python -m tocsin.demo.targets http-port tls-port tcp-port certificate`.

The trouble follows the time since the start, so that whoever starts it sees an incident open and end in a minute.
"""

import asyncio
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tocsin.logs import configure_logging

ADDRESS: Final = "127.0.0.1"
SLOW_SECONDS: Final = 1.5
# In each period there is one time of trouble, from so many seconds to so many.
PERIOD_SECONDS: Final = 120.0
TROUBLE_SECONDS: Final = (12.0, 32.0)
REQUEST_SECONDS: Final = 10.0

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def is_in_trouble(seconds: float) -> bool:
    """Whether the failing target fails, so long after the start."""
    first, last = TROUBLE_SECONDS
    return first <= seconds % PERIOD_SECONDS < last


class Targets:
    """The targets of one run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started_at = clock()

    async def answer_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).split()
        path = request[1] if len(request) > 1 else b""
        if path == b"/slow":
            await asyncio.sleep(SLOW_SECONDS)
        failing = path == b"/failing" and is_in_trouble(self._clock() - self._started_at)
        status, body = (b"503 Service Unavailable", b"broken\n") if failing else (b"200 OK", b"fine\n")
        writer.write(
            b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (status, len(body), body)
        )

    async def answer_tcp(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome\n")


def bounded(answer: Answer) -> Answer:
    """Answer one client, whatever it does, and let it go."""

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled at the end of the program: asyncio's streams would show a traceback.
        with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            async with asyncio.timeout(REQUEST_SECONDS):
                await answer(reader, writer)
                await writer.drain()
        writer.close()

    return answer_once


async def serve(http_port: int, tls_port: int, tcp_port: int, certificate: str) -> None:
    """Serve all targets until a signal comes."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    targets = Targets(loop.time)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    servers = [
        await asyncio.start_server(bounded(targets.answer_http), ADDRESS, http_port),
        await asyncio.start_server(bounded(targets.answer_http), ADDRESS, tls_port, ssl=tls),
        await asyncio.start_server(bounded(targets.answer_tcp), ADDRESS, tcp_port),
    ]
    await stopped.wait()
    for server in servers:
        server.close()


def main() -> None:
    """Serve what the arguments name."""
    configure_logging("demo", "json")
    http_port, tls_port, tcp_port = (int(argument) for argument in sys.argv[1:4])
    asyncio.run(serve(http_port, tls_port, tcp_port, sys.argv[4]))


if __name__ == "__main__":
    main()
