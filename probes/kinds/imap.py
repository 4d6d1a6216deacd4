"""The prober for IMAP servers."""

import asyncio
import re
from base64 import b64encode
from contextlib import suppress
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.imap_dialogue import Completed, ImapDialogue
from probes.wire.routes import Route, connect, start_tls_on
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.imap import ImapTarget
from tocsin.domain.targets.mail import MailLogin
from tocsin.domain.targets.security import Security

_FAREWELL_SECONDS: Final = 1.0
_CODE: Final = re.compile(r"\[([A-Z-]{1,30})\]")


async def probe_imap(target: ImapTarget, engine: Engine, trace: Trace) -> None:
    """Return if the server greets, offers what is expected and takes the login. Raises ProbeFailure if it does not."""
    route = Route(target.tls, target.ip_family, alpn=())
    secure = target.security is Security.TLS
    connection = await connect(target.host, target.port, route, engine, trace, secure=secure)
    try:
        trace.enter(Phase.PROCESSING)
        await _converse(target, connection, engine, trace)
    finally:
        connection.abort()


async def _converse(target: ImapTarget, connection: ByteStream, engine: Engine, trace: Trace) -> None:
    dialogue = ImapDialogue(connection)
    trace.facts[Source.STATUS], greeting = await dialogue.greeting()
    if target.security is Security.STARTTLS:
        await dialogue.start_tls(await dialogue.capabilities())
        connection = await start_tls_on(connection, target.host, Route(target.tls, alpn=()), engine, trace)
        trace.enter(Phase.PROCESSING)
        dialogue = ImapDialogue(connection)
    offered = await dialogue.capabilities()
    trace.facts[Source.BODY] = "\n".join((greeting, *sorted(offered)))
    if missing := [name for name in target.capabilities if name.upper() not in offered]:
        raise ProbeFailure(Reason.ASSERTION, f"the server does not offer {', '.join(missing)}")
    if target.login is not None:
        completed = await _log_in(target.login, dialogue, offered)
        trace.facts[Source.STATUS] = completed.status
        _require_login(completed)
    await _take_leave(dialogue)


async def _log_in(login: MailLogin, dialogue: ImapDialogue, offered: frozenset[str]) -> Completed:
    """By SASL where it is offered, as its words may be in any script."""
    words = b64encode(f"\0{login.username}\0{login.password}".encode())
    if "AUTH=PLAIN" in offered and "SASL-IR" in offered:
        return await dialogue.command(b"AUTHENTICATE PLAIN " + words)
    if "AUTH=PLAIN" in offered:
        return await dialogue.command(b"AUTHENTICATE PLAIN", words)
    if "LOGINDISABLED" in offered or not (login.username + login.password).isascii():
        raise ProbeFailure(Reason.AUTHENTICATION, "the server offers no login that can say this name and password")
    return await dialogue.command(b"LOGIN %b %b" % (_quoted(login.username), _quoted(login.password)))


def _quoted(text: str) -> bytes:
    return b'"%b"' % re.sub(r'(["\\])', r"\\\1", text).encode("ascii")


def _require_login(completed: Completed) -> None:
    """What the server says of a login is not told but for its code: it may repeat what it was sent."""
    if completed.status != "OK":
        code = _CODE.match(completed.text)
        said = f"{completed.status} {code[1]}" if code else completed.status
        raise ProbeFailure(Reason.AUTHENTICATION, f"the server refused the login with {said}")


async def _take_leave(dialogue: ImapDialogue) -> None:
    """So that the server logs no lost connection; whether it answers changes nothing."""
    with suppress(ProbeFailure, TimeoutError):
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await dialogue.command(b"LOGOUT")
