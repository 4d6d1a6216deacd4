"""The events of one operation as server-sent events, waiting to be sent."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

import orjson
from graphql import GraphQLError

from graphql_api.live.batches import Batch
from graphql_api.live.execution import format_errors
from graphql_api.live.wire import UNREAD_BYTES

# Proxies close what is silent for long.
_SILENCE_SECONDS: Final = 15.0
# With more than this waiting, a replay waits too.
_ROOM_BYTES: Final = 64 * 1024
_COMMENT: Final = b":\n\n"
# Browsers leave out an event without data.
_COMPLETE: Final = b"event: complete\ndata:\n\n"


class EventStream:
    """A subscriber whose client reads at its own pace; what it has not read is held only up to a limit."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._has_ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def deliver(self, batch: Batch) -> None:
        self._push(batch.event_stream)

    @property
    def has_room(self) -> bool:
        return self._room.is_set()

    async def drained(self) -> None:
        await self._room.wait()

    def fail(self, error: GraphQLError) -> None:
        payload = {"data": None, "errors": format_errors([error], self._request_id)}
        self.complete(orjson.dumps(payload))

    def lose_token(self) -> None:
        """The token that opened the stream has ended."""
        self.fail(GraphQLError("The token is not valid any more.", extensions={"code": "UNAUTHENTICATED"}))

    def complete(self, payload: bytes) -> None:
        """Send one last payload, and end."""
        self._push(b"event: next\ndata: %b\n\n%b" % (payload, _COMPLETE))
        self._has_ended = True

    def cut(self) -> None:
        """End without `complete`, so that the client comes back with the last id."""
        self._waiting.clear()
        self._has_ended = True
        self._room.set()
        self._changed.set()

    def begin_at(self, cursor: str) -> None:
        """Tell where the stream begins, for whoever is cut off before the first event."""
        self._push(b"id: %b\n\n" % cursor.encode())

    async def chunks(self) -> AsyncGenerator[bytes]:
        """What is to be sent, as it comes."""
        while not (self._has_ended and not self._waiting):
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                yield _COMMENT
            else:
                yield self._take()

    def _push(self, chunk: bytes) -> None:
        if self._has_ended:
            return
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        self._changed.set()
        if self._waiting_bytes > UNREAD_BYTES:
            self.cut()
        elif self._waiting_bytes > _ROOM_BYTES:
            self._room.clear()

    def _take(self) -> bytes:
        chunk = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._changed.clear()
        self._room.set()
        return chunk
