"""PostgreSQL over TCP, with TLS and every kind of login; the embedded one is built without TLS."""

import shutil
import socket
import struct
from pathlib import Path

from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program
from tocsin.embedded.processes import run_tool

RULES = f"""
local all all trust
hostssl all tls_only all scram-sha-256
hostnossl all tls_only all reject
host all clear all password
host all old all md5
host all {USER} all scram-sha-256
"""
STATEMENTS = f"""
SET password_encryption = 'scram-sha-256';
CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE tls_only LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE clear LOGIN PASSWORD '{PASSWORD}';
SET password_encryption = 'md5';
CREATE ROLE old LOGIN PASSWORD '{PASSWORD}';
CREATE DATABASE shop OWNER {USER};
"""
TABLES = f"""
CREATE TABLE orders (id int PRIMARY KEY, state text, total numeric(10,2), note text);
INSERT INTO orders VALUES (1, 'paid', 10.50, NULL), (2, 'open', 3.00, 'ring twice');
ALTER TABLE orders OWNER TO {USER};
GRANT ALL ON orders TO tls_only, clear, old;
"""


class Postgres(LoopbackServer):
    """The database `shop` has the table `orders`, which USER owns. `clear` sends its password, `old` its MD5."""

    name = "postgres"
    stops = (("SIGINT", 3.0), ("SIGQUIT", 1.0), ("SIGKILL", 1.0))

    @property
    def port(self) -> int:
        return self.ports["plain"]

    def configure(self) -> None:
        cluster = self.data / "cluster"
        if cluster.exists():
            return
        initdb = require_program("initdb")
        self._run(initdb, "-D", cluster, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "-N")
        self.write("cluster/pg_hba.conf", RULES)
        for database, statements in (("postgres", STATEMENTS), ("shop", TABLES)):
            self._run(require_program("postgres"), "--single", "-D", cluster, database, statements=statements)
        key = self.account.own(self.data / "tls") / "server.pem"
        shutil.copy(self.credentials.certificate_file, key)
        if self.account.uid is not None:
            shutil.chown(key, self.account.uid, self.account.gid)
        key.chmod(0o600)

    def _run(self, *command: str | Path, statements: str = "") -> None:
        run_tool(list(command), self.folders, self.account, statements)

    def command(self) -> list[str]:
        key = self.data / "tls" / "server.pem"
        settings = {
            "listen_addresses": ADDRESS,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": str(key),
            "ssl_key_file": str(key),
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [str(require_program("postgres")), "-D", str(self.data / "cluster"), *options]

    def answers(self) -> bool:
        """It asks for a password once it is ready, and accepts connections before."""
        words = f"user\0{USER}\0database\0shop\0\0".encode()
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex((ADDRESS, self.port)) != 0:
                return False
            client.sendall(struct.pack("!ii", len(words) + 8, 3 << 16) + words)
            return client.recv(1) == b"R"
