"""What one execution brought, encoded once for everybody who gets it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

_OPENING: Final = b'{"type":"next","id":'
_MIDDLE: Final = b',"payload":'
_CLOSING: Final = b"}"
_ENVELOPE: Final = len(_OPENING) + len(_MIDDLE) + len(_CLOSING)
# The first byte of a WebSocket frame: text, and the last of its message.
_TEXT: Final = b"\x81"


def frame(message: bytes) -> bytes:
    """A message as a WebSocket frame of a server."""
    return _header(len(message)) + message


def _header(length: int) -> bytes:
    if length < 126:
        return _TEXT + length.to_bytes(1, "big")
    if length < 65536:
        return _TEXT + b"\x7e" + length.to_bytes(2, "big")
    return _TEXT + b"\x7f" + length.to_bytes(8, "big")


class Batch:
    """Some payloads in JSON, each with the cursor of its event, in order."""

    def __init__(self, payloads: Sequence[tuple[str, bytes]]) -> None:
        self.payloads = payloads
        self._pieces: dict[int, list[bytes]] = {}

    def frames(self, operation_id: bytes) -> bytes:
        """One `next` message for each payload. The id comes as JSON, with its quotes.

        Only the id differs between subscribers, and ids are mostly of one length: what stands between the ids is made
        once for each length, and a subscriber costs one `join`, however many payloads there are.
        """
        pieces = self._pieces.get(len(operation_id))
        if pieces is None:
            pieces = self._pieces[len(operation_id)] = self._cut(len(operation_id))
        return operation_id.join(pieces)

    def _cut(self, id_length: int) -> list[bytes]:
        pieces, before = [], b""
        for _, payload in self.payloads:
            pieces.append(before + _header(_ENVELOPE + id_length + len(payload)) + _OPENING)
            before = _MIDDLE + payload + _CLOSING
        return [*pieces, before]

    @cached_property
    def event_stream(self) -> bytes:
        """One server-sent event `next` for each payload, with the cursor as its id."""
        return b"".join(
            b"event: next\nid: %b\ndata: %b\n\n" % (cursor.encode(), payload) for cursor, payload in self.payloads
        )
