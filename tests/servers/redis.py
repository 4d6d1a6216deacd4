"""Valkey with logins, and Redis with TLS, for the Valkey that is embedded is built without it."""

from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program
from tocsin.embedded.binaries import find_binaries

DEFAULT_PASSWORD = "default-s3cret"
# `reader` may do everything but write.
USERS = f"""
user default on >{DEFAULT_PASSWORD} ~* &* +@all
user {USER} on >{PASSWORD} ~tocsin:* &* +@all
user reader on >{PASSWORD} ~* &* +@all -@write
"""


class Valkey(LoopbackServer):
    """Port `plain`. The user USER may use the keys under `tocsin:`, `reader` may only read, `default` may do all."""

    name = "valkey"

    def program(self) -> str:
        return str(find_binaries(self.account).valkey)

    def configure(self) -> None:
        self.write("users.acl", USERS.lstrip())

    def command(self) -> list[str]:
        settings = {"bind": ADDRESS, "port": str(self.ports["plain"]), "save": "", "dir": str(self.data)}
        settings |= {"aclfile": str(self.data / "users.acl")} | self.tls_settings()
        return [self.program(), *(option for name, value in settings.items() for option in (f"--{name}", value))]

    def tls_settings(self) -> dict[str, str]:
        return {}


class Redis(Valkey):
    """Ports `plain` and `tls`, with the same users."""

    name = "redis"
    listens = ("plain", "tls")

    def program(self) -> str:
        return str(require_program("redis-server"))

    def tls_settings(self) -> dict[str, str]:
        certificate = str(self.credentials.certificate_file)
        return {
            "tls-port": str(self.ports["tls"]),
            "tls-cert-file": certificate,
            "tls-key-file": certificate,
            "tls-ca-cert-file": str(self.credentials.ca_file),
            "tls-auth-clients": "no",
        }
