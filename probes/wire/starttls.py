"""STARTTLS: from a conversation in clear to TLS on the same connection.

What a server sent ahead of TLS is dropped, never read as a part of what comes after: anybody on the way may have put
it there.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.imap_dialogue import ImapDialogue
from probes.wire.lines import LineReader, shown
from probes.wire.smtp_dialogue import SmtpDialogue
from probes.wire.tls import TlsConnection, start_tls
from tocsin.domain.observations import Reason
from tocsin.domain.targets.security import StartTls

# PostgreSQL's protocol: a message of 8 bytes with this code in place of a version.
_POSTGRES_REQUEST: Final = (8).to_bytes(4) + (80877103).to_bytes(4)


async def upgrade(
    protocol: StartTls, connection: ByteStream, host: str, context: ssl.SSLContext, trace: Trace
) -> TlsConnection:
    """Ask for TLS in the words of the protocol, and shake hands.

    Raises ProbeFailure with TLS where the server does not offer it, and PROTOCOL where it speaks something else.
    """
    await ask_for_tls(protocol, connection, trace)
    return await start_tls(connection, host, context, trace)


async def ask_for_tls(protocol: StartTls, connection: ByteStream, trace: Trace) -> None:
    """Say what makes the server expect a handshake. Raises as `upgrade`."""
    trace.enter(Phase.PROCESSING)
    await _ASKS[protocol](connection)


async def _ask_smtp(connection: ByteStream) -> None:
    dialogue = SmtpDialogue(connection)
    await dialogue.greeting()
    await dialogue.start_tls(await dialogue.hello())


async def _ask_imap(connection: ByteStream) -> None:
    dialogue = ImapDialogue(connection)
    await dialogue.greeting()
    await dialogue.start_tls(await dialogue.capabilities())


async def _ask_pop3(connection: ByteStream) -> None:
    reader = LineReader(connection)
    if not (greeting := await reader.line()).startswith(b"+OK"):
        raise ProbeFailure(Reason.PROTOCOL, f"the server does not greet as POP3: {shown(greeting)}")
    connection.send(b"STLS\r\n")
    if not (answer := await reader.line()).startswith(b"+OK"):
        raise ProbeFailure(Reason.TLS, f"the server does not offer STLS: {shown(answer)}")


async def _ask_postgres(connection: ByteStream) -> None:
    connection.send(_POSTGRES_REQUEST)
    match await LineReader(connection).exactly(1):
        case b"S":
            return
        case b"N":
            raise ProbeFailure(Reason.TLS, "the server does not offer TLS")
        case answer:
            raise ProbeFailure(Reason.PROTOCOL, f"the server does not answer as PostgreSQL: {shown(answer)}")


_ASKS: Final[Mapping[StartTls, Callable[[ByteStream], Awaitable[None]]]] = {
    StartTls.SMTP: _ask_smtp,
    StartTls.IMAP: _ask_imap,
    StartTls.POP3: _ask_pop3,
    StartTls.POSTGRES: _ask_postgres,
}
