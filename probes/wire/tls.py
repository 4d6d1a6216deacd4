"""TLS over a connection, and what its certificates say."""

import _ssl
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol

from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.wire.certificates import describe, load_chain
from probes.wire.connection import ByteStream
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason

# A record holds no more.
_READ_BYTES: Final = 16 * 1024
# X509_V_ERR_* of OpenSSL's x509_vfy.h; the ssl module names none of them.
_VERIFICATION_ERRORS: Final = {
    2: "has an unknown issuer",
    9: "is not valid yet",
    10: "expired on {expiry}",
    18: "is self-signed",
    13: "has no sound date of its beginning",
    14: "has no sound date of its expiry",
    19: "has an unknown issuer: its chain ends in a self-signed certificate",
    20: "has an unknown issuer",
    21: "has an unknown issuer",
    22: "has too long a chain",
    24: "was issued by one that may issue none",
    26: "is not for servers",
    62: "is not valid for the host {host}",
    64: "is not valid for the address {host}",
}
# What OpenSSL says of bytes that are no record of TLS.
_NO_TLS: Final = "wrong version number"


class TlsConnection:
    """TLS within a connection, by OpenSSL on buffers in memory."""

    def __init__(self, connection: ByteStream, context: ssl.SSLContext, host: str) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host.removesuffix("."))

    def send(self, data: bytes) -> None:
        self._session.write(data)
        self._flush()

    async def receive(self) -> bytes:
        """Whatever is decrypted next, and b"" at the end. Raises OSError when the connection breaks."""
        while True:
            try:
                return self._session.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                await self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def handshake(self) -> None:
        """Raises ssl.SSLError, and OSError when the connection breaks."""
        while True:
            try:
                self._session.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                await self._feed()
            else:
                return self._flush()

    def abort(self) -> None:
        self._connection.abort()

    @property
    def version(self) -> str | None:
        return self._session.version()

    @property
    def alpn(self) -> str | None:
        """The protocol that the handshake agreed on, if it did."""
        return self._session.selected_alpn_protocol()

    def earliest_expiry(self) -> datetime | None:
        """The earliest expiry in the presented chain, which is known even if the chain did not verify."""
        # The public getpeercert knows the leaf alone, and that only after it was accepted.
        chain: list[_Certificate] = self._session._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]  # noqa: SLF001
        return min(filter(None, map(_expiry, chain)), default=None)

    def describe_certificates(self) -> dict[str, Any]:
        """What the presented chain says, and what was agreed on; see the fact CERTIFICATE."""
        chain = self._session._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]  # noqa: SLF001
        encoded = [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in chain]
        cipher = self._session.cipher()
        return describe(load_chain(encoded), self.version, cipher[0] if cipher else None, datetime.now(UTC))

    async def _feed(self) -> None:
        data = await self._connection.receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._connection.send(self._outgoing.read())


async def start_tls(connection: ByteStream, host: str, context: ssl.SSLContext, trace: Trace) -> TlsConnection:
    """Shake hands on the connection; `host` is asked for and found in the certificate. Raises ProbeFailure with TLS."""
    trace.enter(Phase.TLS)
    trace.tls_verified = context.verify_mode is ssl.CERT_REQUIRED and trace.tls_verified is not False
    secured = TlsConnection(connection, context, host)
    try:
        await secured.handshake()
    except ssl.SSLCertVerificationError as exc:
        _note_refused(secured, trace)
        message = verification_message(exc.verify_code, host, secured.earliest_expiry(), exc.verify_message)
        raise ProbeFailure(Reason.TLS, message) from exc
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
        raise ProbeFailure(Reason.TLS, "the server closed the connection during the TLS handshake") from exc
    except ssl.SSLError as exc:
        raise ProbeFailure(Reason.TLS, handshake_message(exc.reason)) from exc
    except OSError as exc:
        raise ProbeFailure(Reason.TLS, "the connection was reset during the TLS handshake") from exc
    finally:
        _note_certificates(secured, trace)
    trace.tls_version = secured.version
    return secured


def _note_certificates(secured: TlsConnection, trace: Trace) -> None:
    """Keep the earliest expiry of all hops, and what the last one's certificate says if it is asked for."""
    if trace.wants(Source.CERTIFICATE):
        trace.facts[Source.CERTIFICATE] = secured.describe_certificates()
    expiry = secured.earliest_expiry()
    if expiry is not None and (trace.certificate_expires_at is None or expiry < trace.certificate_expires_at):
        trace.certificate_expires_at = expiry


def _note_refused(secured: TlsConnection, trace: Trace) -> None:
    """Keep what a certificate says that was not accepted, for it tells what to repair."""
    # It may hold anything, also names that cannot be read.
    with suppress(ValueError):
        trace.facts[Source.CERTIFICATE] = secured.describe_certificates()


def verification_message(code: int, host: str, expiry: datetime | None, words: str = "") -> str:
    """Why a certificate was not accepted, by the code and the words of OpenSSL."""
    problem = _VERIFICATION_ERRORS.get(code, f"was not accepted: {words or f'error {code} of OpenSSL'}")
    return f"the certificate {problem.format(host=host, expiry=_readable_time(expiry))}"


def _readable_time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown date"


def handshake_message(reason: str | None) -> str:
    """Why no handshake was made, by the words of OpenSSL."""
    words = (reason or "unknown error").replace("_", " ").lower()
    if words == _NO_TLS:
        return "the server does not speak TLS on this port: what it sent is no TLS"
    return f"the TLS handshake failed: {words}"


class _Certificate(Protocol):
    """What the ssl module's own certificates can do; it exports no type for them."""

    def get_info(self) -> dict[str, str]: ...


def _expiry(certificate: _Certificate) -> datetime | None:
    try:
        return _parse_time(certificate.get_info()["notAfter"])
    except (ssl.SSLError, ValueError, OverflowError):
        # Certificates that were not accepted may hold anything.
        return None


@lru_cache(maxsize=4096)
def _parse_time(certificate_time: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate_time), UTC)
