"""MariaDB, over TCP with and without TLS."""

import os
import pwd
import socket
from pathlib import Path

from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program
from tocsin.embedded.processes import run_tool

SHARED = Path("/usr/share/mysql")
# What mariadb-install-db feeds to the server as well, in this order.
SCRIPTS = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
STATEMENTS = f"""
CREATE DATABASE shop;
CREATE TABLE shop.orders (id INT PRIMARY KEY, state VARCHAR(20), total DECIMAL(10,2), note TEXT);
INSERT INTO shop.orders VALUES (1, 'paid', 10.50, NULL), (2, 'open', 3.00, 'ring twice');
CREATE USER {USER} IDENTIFIED BY '{PASSWORD}';
CREATE USER tls_only IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;
GRANT ALL ON shop.* TO {USER}, tls_only;
"""


class MariaDb(LoopbackServer):
    """The database `shop` has the table `orders`. The users USER and `tls_only` may write to it."""

    name = "mariadbd"

    @property
    def port(self) -> int:
        return self.ports["plain"]

    def configure(self) -> None:
        if (self.data / "mysql").exists():
            return
        self.write("first.sql", STATEMENTS)
        self.account.own(self.data / "tmp")
        scripts = "\n".join((SHARED / name).read_text() for name in SCRIPTS)
        prepared = f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL, @skip_auth_anonymous=1;\n{scripts}"
        run_tool([*self._common(), "--bootstrap"], self.folders, self.account, prepared)

    def command(self) -> list[str]:
        certificate = self.credentials.certificate_file
        return [
            *self._common(),
            f"--bind-address={ADDRESS}",
            f"--port={self.port}",
            f"--socket={self.data / 'mariadb.sock'}",
            f"--pid-file={self.data / 'mariadb.pid'}",
            f"--init-file={self.data / 'first.sql'}",
            f"--ssl-cert={certificate}",
            f"--ssl-key={certificate}",
            f"--ssl-ca={self.credentials.ca_file}",
            "--skip-name-resolve",
        ]

    def _common(self) -> list[str]:
        program = str(require_program("mariadbd"))
        user = pwd.getpwuid(self.account.uid or os.geteuid()).pw_name
        # Without a user of its own, it refuses to run as root, which it is not.
        return [
            program,
            "--no-defaults",
            f"--datadir={self.data}",
            f"--tmpdir={self.data / 'tmp'}",
            f"--user={user}",
            "--innodb-flush-log-at-trx-commit=0",
        ]

    def answers(self) -> bool:
        """Its greeting comes once the first statements are done."""
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex((ADDRESS, self.port)) == 0 and len(client.recv(5)) == 5
