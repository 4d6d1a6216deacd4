"""A connection of the public side: uvicorn's, with limits on the head of a request, which uvicorn has none for."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# How long a client may take for it, and for its silence after connecting.
HEAD_SECONDS: Final = 10.0
MAXIMUM_HEAD_BYTES: Final = 16 * 1024


class PublicConnection(HttpToolsProtocol):
    """One connection. A head that takes too long, or is too long, ends it."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_complete()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Before the first request there is no cycle.
        if self._deadline is None and getattr(self.cycle, "response_complete", True):
            # Line breaks before a head belong to none, and would hold the connection for ever.
            self._await_head()
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAXIMUM_HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Those that follow a body are of no use to anybody, and have no limit.
        if self._deadline is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_complete()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _head_is_complete(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
