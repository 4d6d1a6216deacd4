"""OCSP responses of an authority that only tests trust, and a server that staples them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.probes.certificates import LONG, NOW, Authority, _builder, _name

HOUR = timedelta(hours=1)


def leaf_of(folder: Path) -> x509.Certificate:
    """The certificate that the authority of this folder issued last."""
    return x509.load_pem_x509_certificates((folder / "server.pem").read_bytes())[0]


def response(
    authority: Authority,
    leaf: x509.Certificate,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    age: timedelta = HOUR,
    delegated: ocsp.OCSPResponderEncoding | None = None,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.OCSP_SIGNING,
    certified_by: Authority | None = None,
    certified_until: datetime = LONG,
) -> bytes:
    """What the authority says of the certificate.

    `delegated` has another sign it, whose certificate is for this usage, from this authority or another, and
    ends then.
    """
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf,
        issuer=authority.certificate,
        algorithm=hashes.SHA1(),
        cert_status=status,
        this_update=NOW - age,
        next_update=NOW - age + 2 * HOUR,
        revocation_time=NOW - timedelta(days=3) if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    if delegated is None:
        signed = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, authority.certificate)
        return signed.sign(authority._key, hashes.SHA256()).public_bytes(Encoding.DER)
    key = ec.generate_private_key(ec.SECP256R1())
    delegate = _delegate(certified_by or authority, key, usage, certified_until)
    signed = builder.responder_id(delegated, delegate).certificates([delegate])
    return signed.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _delegate(
    authority: Authority, key: ec.EllipticCurvePrivateKey, usage: x509.ObjectIdentifier | None, expires_at: datetime
) -> x509.Certificate:
    builder = _builder(_name("Responder"), authority.certificate.subject, key, NOW - 3 * HOUR, expires_at)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(authority._key, hashes.SHA256())


@contextmanager
def stapling_server(folder: Path, staple: bytes | None, *options: str) -> Iterator[int]:
    """OpenSSL's own server with the certificate of this folder, and its port."""
    stapled = ["-status_file", str(folder / "staple.der")] if staple is not None else []
    (folder / "staple.der").write_bytes(staple or b"")
    pem = str(folder / "server.pem")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-cert_chain", pem, "-key", pem]
    with subprocess.Popen([*command, *stapled, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            yield _port(server)
        finally:
            server.kill()


def _port(server: subprocess.Popen[bytes]) -> int:
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith(b"ACCEPT "):
            return int(line.rpartition(b":")[2])
    raise AssertionError("openssl s_server did not start")
