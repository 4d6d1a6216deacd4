"""The prober for SMTP servers."""

import asyncio
from base64 import b64encode
from contextlib import suppress
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.lines import Reply
from probes.wire.routes import Route, connect, start_tls_on
from probes.wire.smtp_dialogue import SmtpDialogue, capabilities
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.mail import MailLogin
from tocsin.domain.targets.security import Security
from tocsin.domain.targets.smtp import SmtpTarget

_FAREWELL_SECONDS: Final = 1.0
_LOGGED_IN: Final = 235
_GO_ON: Final = 334


async def probe_smtp(target: SmtpTarget, engine: Engine, trace: Trace) -> None:
    """Return if the server greets, takes the login and accepts the recipient. Raises ProbeFailure if it does not."""
    route = Route(target.tls, target.ip_family, alpn=())
    secure = target.security is Security.TLS
    connection = await connect(target.host, target.port, route, engine, trace, secure=secure)
    try:
        trace.enter(Phase.PROCESSING)
        await _converse(target, connection, engine, trace)
    finally:
        connection.abort()


async def _converse(target: SmtpTarget, connection: ByteStream, engine: Engine, trace: Trace) -> None:
    dialogue = SmtpDialogue(connection)
    try:
        greeting = await dialogue.greeting()
        offered = await dialogue.hello()
        if target.security is Security.STARTTLS:
            await dialogue.start_tls(offered)
            connection = await start_tls_on(connection, target.host, Route(target.tls, alpn=()), engine, trace)
            trace.enter(Phase.PROCESSING)
            dialogue = SmtpDialogue(connection)
            offered = await dialogue.hello()
        trace.facts[Source.BODY] = "\n".join((*greeting.lines, *offered.lines)).replace("\0", "\ufffd")
        await _use(target, dialogue, offered)
    finally:
        if dialogue.last is not None:
            trace.status_code = trace.facts[Source.STATUS] = dialogue.last.code
    await _take_leave(dialogue)


async def _use(target: SmtpTarget, dialogue: SmtpDialogue, offered: Reply) -> None:
    if target.login is not None:
        await _log_in(target.login, dialogue, capabilities(offered).get("AUTH", frozenset()))
    if target.recipient is not None:
        await dialogue.command(f"MAIL FROM:<{target.sender or ''}>\r\n".encode(), "MAIL FROM")
        await dialogue.command(f"RCPT TO:<{target.recipient}>\r\n".encode(), "RCPT TO")


async def _log_in(login: MailLogin, dialogue: SmtpDialogue, mechanisms: frozenset[str]) -> None:
    """What the server says of a login is not told but for its code: it may repeat what it was sent."""
    if "PLAIN" in mechanisms:
        words = b"AUTH PLAIN " + b64encode(f"\0{login.username}\0{login.password}".encode())
        code = (await dialogue.ask(words + b"\r\n")).code
    elif "LOGIN" in mechanisms:
        code = await _log_in_by_parts(login, dialogue)
    else:
        raise ProbeFailure(Reason.AUTHENTICATION, "the server offers no login by PLAIN or LOGIN")
    if code != _LOGGED_IN:
        raise ProbeFailure(Reason.AUTHENTICATION, f"the server refused the login with code {code}")


async def _log_in_by_parts(login: MailLogin, dialogue: SmtpDialogue) -> int:
    code = (await dialogue.ask(b"AUTH LOGIN\r\n")).code
    for part in (login.username, login.password):
        if code != _GO_ON:
            break
        code = (await dialogue.ask(b64encode(part.encode()) + b"\r\n")).code
    return code


async def _take_leave(dialogue: SmtpDialogue) -> None:
    """So that the server logs no lost connection; whether it answers changes nothing."""
    with suppress(ProbeFailure, TimeoutError):
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await dialogue.ask(b"QUIT\r\n")
