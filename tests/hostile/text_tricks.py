"""What servers of line-based protocols may do: TCP, SMTP, IMAP and POP3."""

from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Any, Final

from tests.hostile.tricks import ADDRESS, BLOCK, CA, PORT, Trick, drips, floods, greets, only, silent
from tocsin.domain.observations import Reason

EXPECTED: Final = "never"
_ENDED = only(Reason.PROTOCOL, Reason.TIMEOUT, Reason.BODY_LIMIT)
_PROTOCOL = only(Reason.PROTOCOL)


def tcp(**fields: Any) -> Mapping[str, Any]:
    return {"host": ADDRESS, "port": PORT, **fields}


def upgraded(protocol: str) -> Mapping[str, Any]:
    return tcp(starttls=protocol, tls={"ca": CA}, steps=[{"expect": "injected"}])


def mail(**fields: Any) -> Mapping[str, Any]:
    return {"host": ADDRESS, "port": PORT, "security": "NONE", **fields}


async def injects(reader: StreamReader, writer: StreamWriter) -> None:
    """What it says ahead of TLS must not be taken for what comes after."""
    writer.write(b"220 hello\r\n")
    await reader.readline()
    writer.write(b"250-hello\r\n250 STARTTLS\r\n")
    await reader.readline()
    writer.write(b"220 go ahead\r\n250 injected\r\n")
    await writer.drain()
    # The handshake goes on where asyncio's own buffer ends.
    await reader.read(65_536)


GREETINGS: Final = {
    "silence": (silent, only(Reason.TIMEOUT)),
    "slow greeting": (drips(b"", b"2"), _ENDED),
    "endless line": (floods(b"", b"2" * 65_536, first=True), _PROTOCOL),
    "endless lines": (floods(b"", b"220-hello\r\n" * 5000, first=True), _ENDED),
    "endless answer of many lines": (floods(b"220 hello\r\n", b"250-hello\r\n" * 5000, first=True), _ENDED),
    "binary": (floods(b"", b"\0\xff\r\n" * 10_000, first=True), _PROTOCOL),
}
IMAP: Final = {
    "endless untagged answers": (floods(b"* OK hello\r\n", b"* 1 EXISTS\r\n" * 5000, first=True), _ENDED),
    "literal of a gigabyte": (floods(b"* OK hello\r\n* CAPABILITY {1073741824}\r\n", BLOCK, first=True), _ENDED),
    "endless line": (floods(b"* OK ", b"x" * 65_536, first=True), _PROTOCOL),
    "silence": (silent, only(Reason.TIMEOUT)),
    "bye": (greets(b"* BYE go away\r\n", stay=False), only(Reason.PROTOCOL, Reason.STATUS)),
}

TRICKS: Final = (
    Trick("TCP: silence", "tcp", tcp(steps=[{"expect": EXPECTED}]), only(Reason.TIMEOUT), silent),
    Trick(
        "TCP: endless answer",
        "tcp",
        tcp(steps=[{"expect": EXPECTED}]),
        only(Reason.BODY_LIMIT),
        floods(b"", BLOCK, first=True),
    ),
    Trick(
        "TCP: by the byte",
        "tcp",
        tcp(steps=[{"expect": EXPECTED}]),
        only(Reason.ASSERTION, Reason.BODY_LIMIT),
        drips(b"", b"n", seconds=0),
    ),
    Trick(
        "TCP: pattern that backtracks",
        "tcp",
        tcp(steps=[{"expect": "(a+)+(a+)+b$", "expect_as": "PATTERN"}]),
        only(Reason.BODY_LIMIT, Reason.ASSERTION),
        floods(b"", b"a" * 65_535 + b"!", first=True),
    ),
    Trick(
        "TCP: pattern by the byte",
        "tcp",
        tcp(steps=[{"expect": "(a+)+(a+)+b$", "expect_as": "PATTERN"}]),
        only(Reason.BODY_LIMIT, Reason.ASSERTION),
        drips(b"", b"a!", seconds=0),
    ),
    Trick("STARTTLS: injection", "tcp", upgraded("SMTP"), only(Reason.TLS, Reason.PROTOCOL, Reason.TIMEOUT), injects),
    *(
        Trick(f"STARTTLS: SMTP, {name}", "tcp", upgraded("SMTP"), reasons, talk)
        for name, (talk, reasons) in GREETINGS.items()
    ),
    *(
        Trick(f"STARTTLS: IMAP, {name}", "tcp", upgraded("IMAP"), reasons, talk)
        for name, (talk, reasons) in IMAP.items()
    ),
    Trick(
        "STARTTLS: POP3, endless line", "tcp", upgraded("POP3"), _PROTOCOL, floods(b"+OK ", b"x" * 65_536, first=True)
    ),
    *(Trick(f"SMTP: {name}", "smtp", mail(), reasons, talk) for name, (talk, reasons) in GREETINGS.items()),
    *(Trick(f"IMAP: {name}", "imap", mail(), reasons, talk) for name, (talk, reasons) in IMAP.items()),
    Trick(
        "SMTP: injection ahead of TLS",
        "smtp",
        mail(security="STARTTLS", tls={"ca": CA}),
        only(Reason.TLS, Reason.PROTOCOL, Reason.TIMEOUT),
        injects,
    ),
    Trick(
        "IMAP: STARTTLS without TLS",
        "imap",
        mail(security="STARTTLS", tls={"ca": CA}),
        only(Reason.TLS, Reason.PROTOCOL, Reason.TIMEOUT),
        floods(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n", b"* OK injected\r\n" * 100, first=True),
    ),
)
