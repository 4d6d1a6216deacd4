"""HTTP/2 frames, cut out of what arrives and counted, so that a flood of them ends before it is parsed (RFC 9113)."""

from enum import IntEnum
from typing import Final

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason

MAX_FRAME_BYTES: Final = 16_384
# Of one exchange. A server needs a dozen frames that carry no content; floods of them have names of their own.
MAX_CONTROL_FRAMES: Final = 200
MAX_CONTROL_BYTES: Final = 32_768
MAX_DATA_FRAMES: Final = 8_192
# A compressed byte takes up to 2.6 us, and a header 13 us, in which nothing else is probed. A header counts 32 bytes
# beside its own.
MAX_HEADER_BLOCK_BYTES: Final = 8_192
MAX_HEADER_LIST_BYTES: Final = 16_384
_HEADER_BYTES: Final = 9


class FrameType(IntEnum):
    """The types that are told apart here."""

    DATA = 0
    HEADERS = 1
    GOAWAY = 7
    CONTINUATION = 9


class FrameCutter:
    """Hands out whole frames. What comes in is bounded by who feeds it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._control_frames = 0
        self._control_bytes = 0
        self._data_frames = 0
        self._header_bytes = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """The next frame, or None if it has not come yet. Raises ProbeFailure with PROTOCOL or HEADER_LIMIT."""
        if len(self._buffer) < _HEADER_BYTES:
            return None
        length = int.from_bytes(self._buffer[:3])
        if length > MAX_FRAME_BYTES:
            raise ProbeFailure(
                Reason.PROTOCOL, "the server sent something else than HTTP/2, or a frame that is too long"
            )
        if len(self._buffer) < _HEADER_BYTES + length:
            return None
        self._count(self._buffer[3], length)
        frame = bytes(self._buffer[: _HEADER_BYTES + length])
        del self._buffer[: _HEADER_BYTES + length]
        return frame

    def _count(self, frame_type: int, length: int) -> None:
        if frame_type == FrameType.DATA:
            self._data_frames += 1
        else:
            self._control_frames += 1
        if frame_type in (FrameType.HEADERS, FrameType.CONTINUATION):
            self._header_bytes += length
        elif frame_type != FrameType.DATA:
            self._control_bytes += length
        self._require_bounds()

    def _require_bounds(self) -> None:
        if self._header_bytes > MAX_HEADER_BLOCK_BYTES:
            raise ProbeFailure(
                Reason.HEADER_LIMIT, f"the headers of the response exceed {MAX_HEADER_BLOCK_BYTES // 1024} KiB"
            )
        is_flood = self._control_frames > MAX_CONTROL_FRAMES or self._data_frames > MAX_DATA_FRAMES
        if is_flood or self._control_bytes > MAX_CONTROL_BYTES:
            raise ProbeFailure(Reason.PROTOCOL, "the server floods the connection with frames")
