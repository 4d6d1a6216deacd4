"""Lines, replies of several lines, and fixed counts of bytes from a connection, in bounded memory."""

from dataclasses import dataclass
from typing import Final

from probes.failures import ProbeFailure
from probes.wire.connection import ByteStream
from tocsin.domain.observations import Reason

# RFC 5321 allows 512 bytes, RFC 9051 asks for no more than 8,192.
MAX_LINE_BYTES: Final = 8 * 1024
MAX_LINES: Final = 100
_MAX_TOLD: Final = 120


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of SMTP's form: a code of three digits, and the text of each line."""

    code: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return shown(f"{self.code} {self.lines[0]}".encode())


class LineReader:
    """Reads what a peer sends, and raises ProbeFailure with PROTOCOL when it ends, breaks or says too much."""

    def __init__(self, connection: ByteStream) -> None:
        self._connection = connection
        self._waiting = bytearray()

    async def line(self, most_bytes: int = MAX_LINE_BYTES) -> bytes:
        """The next line, without its end."""
        searched = 0
        while (end := self._waiting.find(b"\n", searched, most_bytes)) < 0:
            searched = len(self._waiting)
            if searched >= most_bytes:
                raise ProbeFailure(Reason.PROTOCOL, f"the server sent a line of more than {most_bytes} bytes")
            await self._fill()
        return self._take(end + 1).rstrip(b"\r\n")

    async def exactly(self, count: int) -> bytes:
        """So many bytes; the caller bounds the count."""
        while len(self._waiting) < count:
            await self._fill()
        return self._take(count)

    async def reply(self) -> Reply:
        """A reply of one line or several, as SMTP has them."""
        lines: list[str] = []
        while len(lines) < MAX_LINES:
            line = await self.line()
            if not _begins_with_code(line):
                raise ProbeFailure(Reason.PROTOCOL, f"the server sent no reply with a code, but {shown(line)}")
            lines.append(line[4:].decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return Reply(int(line[:3]), tuple(lines))
        raise ProbeFailure(Reason.PROTOCOL, f"the server sent a reply of more than {MAX_LINES} lines")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._waiting[:count])
        del self._waiting[:count]
        return taken

    async def _fill(self) -> None:
        try:
            data = await self._connection.receive()
        except OSError as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the connection broke in the middle of the conversation") from exc
        if not data:
            started = "in the middle of a line" if self._waiting else "before it answered"
            raise ProbeFailure(Reason.PROTOCOL, f"the server closed the connection {started}")
        self._waiting += data


def shown(data: bytes, most: int = _MAX_TOLD) -> str:
    """A part of what a server sent, of at most so many characters and printable, for a message."""
    text = data[: 4 * most].decode("utf-8", "replace")
    plain = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return f"{plain[:most]}…" if len(plain) > most or len(data) > 4 * most else plain


def _begins_with_code(line: bytes) -> bool:
    return len(line) >= 3 and line[:3].isdigit() and line[3:4] in (b"", b" ", b"-")
