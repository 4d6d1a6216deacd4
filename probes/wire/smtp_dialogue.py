"""What SMTP servers are told, and what they answer (RFC 5321)."""

from typing import Final

from probes.failures import ProbeFailure
from probes.wire.connection import ByteStream
from probes.wire.lines import LineReader, Reply
from tocsin.domain.observations import Reason

# An address literal is a valid name for a client that has none, and the address need not be the one that is seen.
_HELLO: Final = b"EHLO [127.0.0.1]\r\n"


class SmtpDialogue:
    """A conversation with an SMTP server. Every step raises ProbeFailure: PROTOCOL for nonsense, STATUS for a no."""

    def __init__(self, connection: ByteStream) -> None:
        self._connection = connection
        self._reader = LineReader(connection)
        self.last: Reply | None = None  # what the server said last

    async def greeting(self) -> Reply:
        self.last = await self._reader.reply()
        return _expected(220, self.last, "as the greeting")

    async def hello(self) -> Reply:
        """The reply to EHLO, whose lines behind the first name what the server can do."""
        return await self.command(_HELLO, "EHLO")

    async def start_tls(self, offered: Reply) -> None:
        """What the server sends behind its go-ahead is dropped with this dialogue: anybody may have put it there."""
        if "STARTTLS" not in capabilities(offered):
            raise ProbeFailure(Reason.TLS, "the server does not offer STARTTLS")
        reply = await self.ask(b"STARTTLS\r\n")
        if reply.code != 220:
            raise ProbeFailure(Reason.TLS, f"the server refused STARTTLS: {reply}")

    async def command(self, line: bytes, name: str) -> Reply:
        """The reply to a line, which must be 250, or 251, which is a yes as well."""
        reply = await self.ask(line)
        return reply if reply.code == 251 else _expected(250, reply, f"as the answer to {name}")

    async def ask(self, line: bytes) -> Reply:
        """The reply to a line, whatever its code."""
        self._connection.send(line)
        self.last = await self._reader.reply()
        return self.last


def capabilities(offered: Reply) -> dict[str, frozenset[str]]:
    """What a server can do by its reply to EHLO: each keyword with its parameters, in capitals."""
    words = (line.upper().replace("AUTH=", "AUTH ").split() for line in offered.lines[1:])
    return {keyword: frozenset(parameters) for keyword, *parameters in filter(None, words)}


def _expected(code: int, reply: Reply, place: str) -> Reply:
    if reply.code != code:
        raise ProbeFailure(Reason.STATUS, f"expected {code} {place}, got {reply}")
    return reply
