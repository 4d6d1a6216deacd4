"""What the fixtures of probe tests hand out."""

import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from probes.engine import Engine
from tocsin.domain.observations import Observation

Talk = Callable[[StreamReader, StreamWriter], Awaitable[None]]


class Serve(Protocol):
    """Starts a server that lives as long as the test, and returns its port."""

    async def __call__(self, talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> int: ...


class ServeBytes(Protocol):
    """Starts a server that answers a request with these bytes, part by part, and returns its URL.

    Then it closes the connection, or stays silent.
    """

    async def __call__(self, *parts: bytes, stay: bool = False) -> str: ...


class Observe(Protocol):
    """Probes an HTTP target once."""

    async def __call__(
        self, url: str, timeout_seconds: float = 5, engine: Engine | None = None, **fields: Any
    ) -> Observation: ...


async def read_request(reader: StreamReader) -> bytes:
    """The head of a request."""
    return await reader.readuntil(b"\r\n\r\n")
