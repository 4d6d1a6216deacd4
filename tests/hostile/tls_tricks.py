"""What a TLS server may do to a client before and after the handshake."""

import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Any, Final

from tests.hostile.tricks import ADDRESS, BLOCK, CA, PORT, Trick, drips, floods, greets, only, says, silent
from tocsin.domain.observations import Reason

HANDSHAKE, ALERT = 22, 21


def record(kind: int, payload: bytes) -> bytes:
    return struct.pack("!BHH", kind, 0x0303, len(payload)) + payload


def secured(**fields: Any) -> Mapping[str, Any]:
    return {"host": ADDRESS, "port": PORT, "tls": {"ca": CA}, **fields}


def certificate() -> Mapping[str, Any]:
    return {"host": ADDRESS, "port": PORT, "options": {"ca": CA}}


_TLS = only(Reason.TLS)
_TIMEOUT = only(Reason.TIMEOUT)
_UNFINISHED = record(HANDSHAKE, b"\x02" + (2**24 - 1).to_bytes(3) + bytes(1000))
PLAIN: Final = {
    "stalled handshake": (silent, _TIMEOUT),
    "handshake by the byte": (drips(b"", b"\x16"), _TLS | _TIMEOUT),
    "endless handshake message": (floods(_UNFINISHED, record(HANDSHAKE, bytes(16_000))), _TLS),
    "endless garbage": (floods(b"", BLOCK), _TLS),
    "plain text": (says(b"220 hello\r\n"), _TLS),
    "alerts": (floods(b"", record(ALERT, b"\x01\x00") * 1000), _TLS | _TIMEOUT),
    "closes": (says(), _TLS),
    "speaks before it is asked": (greets(BLOCK), _TLS),
}


async def ends(_reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"hello")


TRICKS: Final = (
    *(Trick(f"TLS: {name}", "tcp", secured(), reasons, talk) for name, (talk, reasons) in PLAIN.items()),
    *(Trick(f"certificate: {name}", "tls", certificate(), reasons, talk) for name, (talk, reasons) in PLAIN.items()),
    Trick("TLS: chain of 100 KB", "tcp", secured(), only(Reason.TLS, None), ends, certificate="huge"),
    Trick("certificate: chain of 100 KB", "tls", certificate(), only(Reason.TLS, None), ends, certificate="huge"),
    Trick("TLS: deep chain", "tcp", secured(), only(Reason.TLS, None), ends, certificate="deep"),
    Trick("certificate: deep chain", "tls", certificate(), only(Reason.TLS, None), ends, certificate="deep"),
    Trick("TLS: 20,000 names", "tcp", secured(), only(Reason.TLS, None), ends, certificate="names"),
    Trick("certificate: 20,000 names", "tls", certificate(), only(Reason.TLS, None), ends, certificate="names"),
    Trick(
        "TLS: tickets without end",
        "tcp",
        secured(steps=[{"expect": "never"}]),
        only(Reason.ASSERTION, Reason.TIMEOUT, Reason.PROTOCOL),
        ends,
        certificate="tickets",
    ),
    Trick(
        "TLS: endless data",
        "tcp",
        secured(steps=[{"expect": "never"}]),
        only(Reason.BODY_LIMIT),
        floods(b"", BLOCK, first=True),
        certificate="usual",
    ),
)
