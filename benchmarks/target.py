"""What is probed: a fast HTTP and HTTPS server in a process of its own, `python -m benchmarks.target CERTIFICATE KEY`.

It prints its two ports, and ends when its standard input does.
"""

import asyncio
import ipaddress
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_BODY = b'{"status": "ok", "checks": {"database": "ok", "queue": "ok", "disk": "ok"}, "version": "1.42.0"}\n'
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: target\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Cache-Control: no-store\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_BODY), _BODY)
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where it answers, and the file of the authority that its certificate comes from."""

    http_url: str
    https_url: str
    ca_file: Path


@contextmanager
def running_target() -> Iterator[Target]:
    """Run the server in another process."""
    with TemporaryDirectory() as folder:
        ca_file, certificate_file, key_file = write_certificates(Path(folder))
        command = [sys.executable, "-m", "benchmarks.target", str(certificate_file), str(key_file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            http_port, https_port = server.stdout.readline().split()
            yield Target(f"http://127.0.0.1:{http_port}", f"https://127.0.0.1:{https_port}", ca_file)


def write_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority's certificate, and one for 127.0.0.1 with its key, in P-256 as public sites have them today."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmark authority")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmark target")])
    ca = _certificate(authority, ca_key, authority, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = _certificate(name, key, authority, ca_key, address)
    files = folder / "ca.pem", folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    files[2].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    return builder.add_extension(extension, critical=False).sign(issuer_key, hashes.SHA256())


class _Answer(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            self._transport.write(_RESPONSE)
            self._transport.close()


async def _serve(certificate_file: str, key_file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(_Answer, "127.0.0.1", 0, backlog=4096)
    secure = await loop.create_server(_Answer, "127.0.0.1", 0, backlog=4096, ssl=context)
    print(*(server.sockets[0].getsockname()[1] for server in (plain, secure)), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve(*sys.argv[1:]))
