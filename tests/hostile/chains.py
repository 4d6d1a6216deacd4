"""Certificates that cost who reads them."""

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.probes.certificates import _PEM, LONG, NOW, Authority, _builder, _name, _private

DEPTH = 60
NAMES = 20_000


def write_deep_chain(authority: Authority, file: Path) -> None:
    """A leaf below so many authorities, each signed by the one above it."""
    issuer, signer = authority._name, authority._key
    chain = b""
    for number in range(DEPTH):
        name, key = _name(f"Authority {number}"), ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(name, issuer, key, NOW - timedelta(days=1), LONG)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer, hashes.SHA256())
        )
        chain = certificate.public_bytes(_PEM) + chain
        issuer, signer = name, key
    _write(file, issuer, signer, ["localhost"], chain)


def write_many_names(authority: Authority, file: Path) -> None:
    _write(file, authority._name, authority._key, [f"host-{number}.example.test" for number in range(NAMES)], b"")


def _write(file: Path, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey, names: list[str], chain: bytes) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        _builder(_name("leaf"), issuer, key, NOW - timedelta(days=1), LONG)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    file.write_bytes(leaf.public_bytes(_PEM) + chain + _private(key))
