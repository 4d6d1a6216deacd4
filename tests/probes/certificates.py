"""Certificates of an authority that only tests trust."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
LONG = NOW + timedelta(days=300)

_PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates for servers on 127.0.0.1 and localhost. `ca_file` is what a client must trust."""

    def __init__(self, folder: Path, expires_at: datetime = LONG, name: str = "Tests") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.certificate = (
            _builder(self._name, self._name, self._key, NOW - timedelta(days=400), expires_at)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = str(self._write("ca.pem", self.certificate.public_bytes(_PEM)))

    def server_context(
        self,
        host: str = "localhost",
        expires_at: datetime = LONG,
        *,
        self_signed: bool = False,
        whole: bool = False,
        padding: int = 0,
    ) -> ssl.SSLContext:
        """The TLS of a server with a certificate of its own.

        `whole` presents the authority's too, `padding` that many copies of it more.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))])
        only_name = x509.SubjectAlternativeName([x509.DNSName(host)])
        issuer, signer = (_name(host), key) if self_signed else (self._name, self._key)
        leaf = (
            _builder(_name(host), issuer, key, NOW - timedelta(days=399), expires_at)
            .add_extension(names if host == "localhost" else only_name, critical=False)
            .sign(signer, hashes.SHA256())
        )
        chain = leaf.public_bytes(_PEM) + self.certificate.public_bytes(_PEM) * (whole + padding)
        return self._context(chain, key)

    def client_certificate(self, name: str = "client") -> tuple[str, str]:
        """A certificate and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _builder(_name(name), self._name, key, NOW - timedelta(days=1), LONG).sign(
            self._key, hashes.SHA256()
        )
        return certificate.public_bytes(_PEM).decode(), _private(key).decode()

    def _context(self, chain: bytes, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._write("server.pem", chain + _private(key)))
        return context

    def _write(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(content)
        return path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins_at: datetime, expires_at: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins_at)
        .not_valid_after(expires_at)
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
