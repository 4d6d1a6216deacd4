"""One HTTP/2 exchange on a connection of its own (RFC 9113), over h2, which does no input and output itself."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import DenialOfServiceError, H2Error
from h2.settings import SettingCodes, Settings
from hpack.exceptions import HPACKError
from hyperframe.exceptions import HyperframeError

from probes.failures import ProbeFailure
from probes.wire.connection import ByteStream
from probes.wire.http2_frames import MAX_FRAME_BYTES, MAX_HEADER_LIST_BYTES, FrameCutter, FrameType
from probes.wire.http_messages import RawHeaders
from tocsin.domain.observations import Reason

# Parsing one takes up to 50 us; others get their turn between so many.
_FRAMES_AT_A_TIME: Final = 32
_SETTINGS: Final = {
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.MAX_CONCURRENT_STREAMS: 1,
    SettingCodes.INITIAL_WINDOW_SIZE: 65_535,
    SettingCodes.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
    SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST_BYTES,
}


class Http2Exchange:
    """Sends a request and reads its response: `headers` after `read_head`, `trailers` when the body has ended."""

    def __init__(self, connection: ByteStream) -> None:
        self.status_code = 0
        self.headers: RawHeaders = []
        self.trailers: RawHeaders = []
        self._connection = connection
        self._frames = FrameCutter()
        self._body: list[bytes] = []
        self._ended = False
        self._http2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._http2.local_settings = Settings(client=True, initial_values=_SETTINGS)
        # h2 applies its own default until the server has acknowledged the settings.
        self._http2.decoder.max_header_list_size = MAX_HEADER_LIST_BYTES
        self._http2.initiate_connection()
        self._stream = self._http2.get_next_available_stream_id()

    async def send(self, headers: RawHeaders, body: bytes) -> None:
        """Send the request, as fast as the server takes it. Raises ProbeFailure with reason PROTOCOL."""
        self._http2.send_headers(self._stream, headers, end_stream=not body)
        # A server that answers already does not need the rest, and what it says meanwhile is not piled up.
        while body and not self._ended and not self._body:
            allowed = self._sendable_bytes()
            if not allowed:
                await self._advance()
                continue
            part, body = body[:allowed], body[allowed:]
            self._http2.send_data(self._stream, part, end_stream=not body)
        self._flush()

    async def read_head(self) -> None:
        """Read until the final response's headers. Raises ProbeFailure with reason PROTOCOL or HEADER_LIMIT."""
        while not self.status_code:
            await self._advance()

    async def read_some(self) -> bytes:
        """The next part of the body, and b"" at the end. Raises ProbeFailure as `read_head`."""
        while not self._body and not self._ended:
            await self._advance()
        body, self._body = b"".join(self._body), []
        return body

    def close(self) -> None:
        """Drop what has not been read, and the connection."""
        self._connection.abort()

    def _sendable_bytes(self) -> int:
        return min(self._http2.local_flow_control_window(self._stream), self._http2.max_outbound_frame_size)

    def _flush(self) -> None:
        if data := self._http2.data_to_send():
            self._connection.send(data)

    async def _advance(self) -> None:
        """Take what arrives next, and answer what must be answered."""
        self._flush()
        for count in range(_FRAMES_AT_A_TIME):
            if self._ended:
                break
            if (frame := self._frames.next_frame()) is None:
                if not count:
                    await self._receive()
                break
            self._take(frame)
        else:
            await asyncio.sleep(0)
        self._flush()

    async def _receive(self) -> None:
        try:
            data = await self._connection.receive()
        except OSError as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the connection broke before the response was complete") from exc
        if not data:
            raise ProbeFailure(Reason.PROTOCOL, "the server closed the connection before the response was complete")
        self._frames.feed(data)

    def _take(self, frame: bytes) -> None:
        if frame[3] == FrameType.GOAWAY:
            return self._read_farewell(frame)
        try:
            events = self._http2.receive_data(frame)
        except DenialOfServiceError as exc:
            raise ProbeFailure(
                Reason.HEADER_LIMIT, f"the headers of the response exceed {MAX_HEADER_LIST_BYTES // 1024} KiB"
            ) from exc
        # They are not repeated: they quote headers.
        except (H2Error, HPACKError, HyperframeError) as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the response is not valid HTTP/2") from exc
        for event in events:
            if act := _ACTS.get(type(event)):
                act(self, event)
        return None

    def _start_response(self, event: ResponseReceived) -> None:
        headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        self.headers = [header for header in headers if not header[0].startswith(b":")]
        status = dict(headers)[b":status"]
        if len(status) != 3 or not status.isdigit():
            raise ProbeFailure(Reason.PROTOCOL, "the response has no valid status")
        self.status_code = int(status)

    def _keep_part(self, event: DataReceived) -> None:
        if event.data:
            self._body.append(event.data)
        # Given back at once: who reads the body bounds it, and what has not come yet is not asked for.
        self._http2.acknowledge_received_data(event.flow_controlled_length, self._stream)

    def _keep_trailers(self, event: TrailersReceived) -> None:
        self.trailers = [(bytes(name), bytes(value)) for name, value in event.headers]

    def _end(self, _: StreamEnded) -> None:
        self._ended = True

    def _reset(self, event: StreamReset) -> None:
        if not self._ended:
            raise ProbeFailure(Reason.PROTOCOL, f"the server reset the stream: {_error_name(event.error_code or 0)}")

    def _read_farewell(self, frame: bytes) -> None:
        """Not by h2, for which nothing may follow; but what began before it is still answered."""
        last_stream, code = int.from_bytes(frame[9:13]) & 0x7FFF_FFFF, int.from_bytes(frame[13:17])
        if code or last_stream < self._stream:
            raise ProbeFailure(Reason.PROTOCOL, f"the server ended the connection: {_error_name(code)}")


_ACTS: Final[Mapping[type[Event], Callable[[Http2Exchange, Any], None]]] = {
    ResponseReceived: Http2Exchange._start_response,  # noqa: SLF001 - of this module
    DataReceived: Http2Exchange._keep_part,  # noqa: SLF001
    TrailersReceived: Http2Exchange._keep_trailers,  # noqa: SLF001
    StreamEnded: Http2Exchange._end,  # noqa: SLF001
    StreamReset: Http2Exchange._reset,  # noqa: SLF001
}


def _error_name(code: int) -> str:
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"code {code}"
