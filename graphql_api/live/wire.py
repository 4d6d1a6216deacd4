"""uvicorn's WebSocket protocol, with a way past ASGI for frames that are made already.

Through ASGI a frame costs 8 to 14 us, made for each subscriber anew; written like this, 0.4 to 3 us. It also ends
connections whose clients read nothing any more, which uvicorn would wait for.
"""

from typing import Any, Final

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# What a client has not read yet. More than this, and it is cut off: it may come back with its cursor.
UNREAD_BYTES: Final = 4 * 1024 * 1024
MAXIMUM_MESSAGE_BYTES: Final = 64 * 1024
# The close code after which clients come back by themselves.
TRY_AGAIN_LATER: Final = 1013
# A client that was told to go has this long to read it.
_FAREWELL_SECONDS: Final = 5.0
_STATE: Final = "wire"

# How the server must be started; compression would cost each subscriber's frames anew.
UVICORN_OPTIONS: Final[dict[str, Any]] = {
    "ws": f"{__name__}:Wire",
    "ws_max_size": MAXIMUM_MESSAGE_BYTES,
    "ws_per_message_deflate": False,
}


class Wire(WebSocketsSansIOProtocol):
    """One connection."""

    async def run_asgi(self) -> None:
        self.scope["state"][_STATE] = self
        try:
            await super().run_asgi()
        finally:
            self._abort_soon()

    @property
    def is_open(self) -> bool:
        return not (self.close_sent or self.transport.is_closing())

    def write(self, frames: bytes) -> None:
        """Send whole frames, which must not be masked. Once the connection is closing, nothing is sent.

        What the client has not read is held up to a limit; then the connection is closed.
        """
        if self.is_open:
            self.transport.write(frames)
            if self.transport.get_write_buffer_size() > UNREAD_BYTES:
                self.end(TRY_AGAIN_LATER, "You read too slowly; go on from your cursor.")

    @property
    def has_room(self) -> bool:
        """Whether the client has read most of what was sent."""
        return self.writable.is_set()

    async def drained(self) -> None:
        """Wait until there is room, or the client is gone."""
        await self.writable.wait()

    def end(self, code: int, reason: str) -> None:
        """Say why, and close: at once when the client answers, else after a few seconds."""
        if not self.is_open:
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # uvicorn's own: the client's answer ends it.
        self.close_timer = self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_soon()

    def _abort_soon(self) -> None:
        # A closed transport waits for its client to read what is left, however long that takes.
        self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)


def wire_of(websocket: WebSocket) -> Wire:
    """The connection below a WebSocket. Raises LookupError when the server was started without UVICORN_OPTIONS."""
    wire = getattr(websocket.state, _STATE, None)
    if isinstance(wire, Wire):
        return wire
    raise LookupError("WebSockets need uvicorn with graphql_api.live.wire.UVICORN_OPTIONS")
