"""What comes with a report: read in bounded memory, and kept as text in part."""

from codecs import getincrementaldecoder
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive

from tocsin.domain.heartbeats import MAXIMUM_PAYLOAD_BYTES

# So much is read, though little of it is kept, for a client that sends a whole log must not fail.
MAXIMUM_BODY_BYTES: Final = 16 * 1024 * 1024


class BodyTooLongError(Exception):
    """Nobody sends so much but by mistake."""


class DisconnectedError(Exception):
    """The client went before its request was complete."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The text that is kept, and how many bytes there were."""

    text: str = ""
    size: int = 0


def payload_of(content: bytes, size: int | None = None) -> Payload:
    """The beginning of some bytes as text; a character that is cut is left out, what is no UTF-8 replaced."""
    kept = content[:MAXIMUM_PAYLOAD_BYTES]
    size = len(content) if size is None else size
    text = getincrementaldecoder("utf-8")("replace").decode(kept, final=len(kept) == size)
    # PostgreSQL stores no NUL in text.
    return Payload(text.replace("\0", "\N{REPLACEMENT CHARACTER}"), size)


async def read_payload(receive: Receive) -> Payload:
    """Read the body of a request. Raises BodyTooLongError and DisconnectedError."""
    kept, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAXIMUM_BODY_BYTES:
            raise BodyTooLongError
        kept += chunk[: MAXIMUM_PAYLOAD_BYTES - len(kept)]
        more = message.get("more_body", False)
    return payload_of(bytes(kept), size)
