"""What IMAP servers are told, and what they answer (RFC 9051)."""

import re
from dataclasses import dataclass
from typing import Final

from probes.failures import ProbeFailure
from probes.wire.connection import ByteStream
from probes.wire.lines import MAX_LINES, LineReader, shown
from tocsin.domain.observations import Reason

MAX_LITERAL_BYTES: Final = 64 * 1024
_LITERAL: Final = re.compile(rb"\{([0-9]{1,20})\+?\}$")
_GREETING: Final = re.compile(rb"\* (OK|PREAUTH|BYE)(?: (.*))?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended: OK, NO or BAD, the text behind it, and the untagged lines before it."""

    status: str
    text: str
    untagged: tuple[bytes, ...]


class ImapDialogue:
    """A conversation with an IMAP server. Raises ProbeFailure: PROTOCOL for nonsense, STATUS for a no."""

    def __init__(self, connection: ByteStream, first_tag: int = 1) -> None:
        self._connection = connection
        self._reader = LineReader(connection)
        self._tag = first_tag

    async def greeting(self) -> tuple[str, str]:
        """The greeting's status, OK or PREAUTH, and its text."""
        line = await self._response()
        match = _GREETING.match(line)
        if match is None:
            raise ProbeFailure(Reason.PROTOCOL, f"the server does not greet as IMAP: {shown(line)}")
        status, text = match[1].upper().decode(), shown(match[2] or b"")
        if status == "BYE":
            raise ProbeFailure(Reason.STATUS, f"the server greeted with BYE: {text}")
        return status, text

    async def capabilities(self) -> frozenset[str]:
        """What the server can do, in capitals."""
        completed = await self.command(b"CAPABILITY")
        if completed.status != "OK":
            raise ProbeFailure(Reason.STATUS, f"the server refused CAPABILITY: {completed.status} {completed.text}")
        listed = [line[13:] for line in completed.untagged if line[:13].upper() == b"* CAPABILITY "]
        return frozenset(b" ".join(listed).upper().decode("ascii", "replace").split())

    async def start_tls(self, offered: frozenset[str]) -> None:
        """What the server sends behind its go-ahead is dropped with this dialogue: anybody may have put it there."""
        if "STARTTLS" not in offered:
            raise ProbeFailure(Reason.TLS, "the server does not offer STARTTLS")
        completed = await self.command(b"STARTTLS")
        if completed.status != "OK":
            raise ProbeFailure(Reason.TLS, f"the server refused STARTTLS: {completed.status} {completed.text}")

    async def command(self, line: bytes, *continued: bytes) -> Completed:
        """How a command ended; what continues it is sent when the server asks for it."""
        tag = b"t%d" % self._tag
        self._tag += 1
        self._connection.send(b"%b %b\r\n" % (tag, line))
        return await self._completion(tag, list(continued))

    async def _completion(self, tag: bytes, continued: list[bytes]) -> Completed:
        untagged: list[bytes] = []
        while len(untagged) < MAX_LINES:
            line = await self._response()
            if line.startswith(tag + b" "):
                status, _, text = line[len(tag) + 1 :].partition(b" ")
                return Completed(_status(status), shown(text), tuple(untagged))
            if line.startswith(b"+"):
                self._connection.send((continued.pop(0) if continued else b"*") + b"\r\n")
            elif not line.startswith(b"* "):
                raise ProbeFailure(Reason.PROTOCOL, f"the server's answer is not of IMAP: {shown(line)}")
            untagged.append(line)
        raise ProbeFailure(Reason.PROTOCOL, f"the server answered a command with more than {MAX_LINES} lines")

    async def _response(self) -> bytes:
        """A line with its literals, which are counts of bytes that follow it, and then more of the line."""
        line = await self._reader.line()
        whole = line
        while literal := _LITERAL.search(line):
            if len(whole) + int(literal[1]) > MAX_LITERAL_BYTES:
                raise ProbeFailure(Reason.PROTOCOL, f"the server announced a literal of {int(literal[1])} bytes")
            content = await self._reader.exactly(int(literal[1]))
            line = await self._reader.line()
            whole += content + line
        return whole


def _status(word: bytes) -> str:
    status = word.upper().decode("ascii", "replace")
    if status not in ("OK", "NO", "BAD"):
        raise ProbeFailure(Reason.PROTOCOL, f"the server completed a command with {shown(word)}")
    return status
