"""The certificates of the real servers, and who may log in to them."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from tests.probes.certificates import Authority

USER = "probe"
PASSWORD = "s3cret-word"


@dataclass(frozen=True)
class Credentials:
    """`ca_file` is what clients trust; `certificate_file` has certificate and key of localhost and 127.0.0.1."""

    authority: Authority
    ca_file: Path
    certificate_file: Path

    @property
    def ca(self) -> str:
        """The authority's certificate as PEM, as targets take it."""
        return self.ca_file.read_text()

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def make_credentials(folder: Path) -> Credentials:
    """An authority of its own, and files that every account can read."""
    authority = Authority(folder)
    authority.server_context(whole=True)
    certificate_file = folder / "server.pem"
    for file in (Path(authority.ca_file), certificate_file):
        file.chmod(0o644)
    return Credentials(authority, Path(authority.ca_file), certificate_file)
