"""TLS handshakes that ask for an OCSP staple and look at everything, which the standard library cannot.

They are pyOpenSSL's. A certificate that is not accepted does not end the handshake: what is wrong is noted, so that
protocol, cipher and staple are seen all the same. Nothing is sent over such a connection but the handshake itself.
"""

from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from probes.egress import is_ip_address
from probes.failures import ProbeFailure
from probes.wire.certificates import Certificates
from probes.wire.connection import ByteStream
from probes.wire.stapling_contexts import Notes, StaplingContexts
from probes.wire.tls import handshake_message
from tocsin.domain.observations import Reason
from tocsin.domain.targets.tls_options import TlsOptions

_READ_BYTES: Final = 64 * 1024
_MAX_CERTIFICATES: Final = 20


@dataclass(frozen=True, slots=True)
class Handshake:
    """What was seen. `problem` is OpenSSL's first error about the chain, or None; `trusted` is the chain it built."""

    chain: Certificates
    trusted: Certificates
    protocol: str
    cipher: str
    staple: bytes
    problem: int | None


async def shake_hands(connection: ByteStream, host: str, contexts: StaplingContexts, options: TlsOptions) -> Handshake:
    """Shake hands with whoever it is. Raises ProbeFailure with TLS where no handshake is made."""
    session = SSL.Connection(contexts.of(options), None)
    notes = Notes()
    session.set_app_data(notes)
    if not is_ip_address(host):
        session.set_tlsext_host_name(host.removesuffix(".").encode("idna"))
    session.request_ocsp()
    session.set_connect_state()
    try:
        await _complete(session, connection)
    except SSL.ZeroReturnError as exc:
        raise ProbeFailure(Reason.TLS, "the server closed the connection during the TLS handshake") from exc
    except SSL.Error as exc:
        raise ProbeFailure(Reason.TLS, _message(exc)) from exc
    except OSError as exc:
        raise ProbeFailure(Reason.TLS, "the connection was reset during the TLS handshake") from exc
    return _seen(session, notes)


async def _complete(session: SSL.Connection, connection: ByteStream) -> None:
    while True:
        try:
            session.do_handshake()
        except SSL.WantReadError:
            _flush(session, connection)
        else:
            return _flush(session, connection)
        if data := await connection.receive():
            session.bio_write(data)
        else:
            raise SSL.ZeroReturnError


def _flush(session: SSL.Connection, connection: ByteStream) -> None:
    try:
        while data := session.bio_read(_READ_BYTES):
            connection.send(data)
    except SSL.WantReadError:
        return


def _seen(session: SSL.Connection, notes: Notes) -> Handshake:
    chain = session.get_peer_cert_chain(as_cryptography=True) or []
    trusted = session.get_verified_chain(as_cryptography=True) or []
    return Handshake(
        chain=chain[:_MAX_CERTIFICATES],
        trusted=trusted[:_MAX_CERTIFICATES],
        protocol=session.get_protocol_version_name(),
        cipher=session.get_cipher_name() or "",
        staple=notes.staple,
        problem=notes.problem,
    )


def _message(exc: SSL.Error) -> str:
    """OpenSSL's own words, as in `tlsv1 alert protocol version`."""
    errors = exc.args[0] if exc.args and isinstance(exc.args[0], list) else []
    reasons = [str(error[-1]) for error in errors if error[-1]]
    return handshake_message(reasons[0] if reasons else None)
