"""PostgreSQL: its cluster, its settings, and when it answers."""

import os
import shutil
import socket
import struct
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from tocsin.embedded.accounts import Account
from tocsin.embedded.binaries import Binaries
from tocsin.embedded.errors import EmbeddedServerError
from tocsin.embedded.folders import Folders
from tocsin.embedded.processes import Server, run_tool

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
ROLE = "tocsin"
ANSWER_SECONDS = 1.0
INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=reject",
    "--encoding=UTF8",
    "--no-locale",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
    # Synced once, when the cluster is whole.
    "--no-sync",
)
# The superuser works in single-user mode alone, so no client can be one.
ACCESS_RULES = "local all postgres reject\nlocal all all trust\n"
SETTINGS = {
    "cluster_name": "tocsin",
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # The errors of statements go to their clients; their details can hold what no log should.
    "log_min_messages": "log",
}


class PostgresServer(Server):
    """`fast` is for tests: nothing is synced to disk, and the role may make databases."""

    name = "PostgreSQL"
    # Fast, then immediate shutdown, which the next start recovers from.
    stops = (("SIGINT", 3.0), ("SIGQUIT", 1.0), ("SIGKILL", 1.0))

    def __init__(self, folders: Folders, account: Account, binaries: Binaries, *, fast: bool) -> None:
        super().__init__(folders, account)
        self.binaries = binaries
        self.fast = fast
        self.data = folders.home / "postgres"
        self.socket = folders.sockets / SOCKET_NAME

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@/{ROLE}?host={quote(str(self.folders.sockets))}&port={PORT}"

    def command(self) -> list[str]:
        settings = SETTINGS | {
            "unix_socket_directories": str(self.folders.sockets),
            # Commits are still written, so a killed server keeps them; a power cut may not.
            "fsync": "off" if self.fast else "on",
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [str(self.binaries.postgres), "-D", str(self.data), *options]

    def prepare(self) -> None:
        if not self.data.exists():
            self._create_cluster()
        self._check_version()
        self._remove_stale_pid_file()
        self.socket.unlink(missing_ok=True)
        self.socket.with_name(f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _create_cluster(self) -> None:
        """Make the cluster aside and rename it at the end, so that one that is there is whole."""
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self.account.own(fresh)
        self._run(self.binaries.initdb, "-D", fresh, *INITDB_OPTIONS)
        (fresh / "pg_hba.conf").write_text(ACCESS_RULES)
        self._create_database(fresh)
        if not self.fast:
            self._run(self.binaries.initdb, "-D", fresh, "--sync-only")
        fresh.rename(self.data)
        sync(self.data.parent)

    def _create_database(self, cluster: Path) -> None:
        rights = "CREATEROLE CREATEDB" if self.fast else "CREATEROLE"
        statements = f"CREATE ROLE {ROLE} LOGIN {rights};\nCREATE DATABASE {ROLE} OWNER {ROLE};\n"
        options = ("-c", "fsync=off", "-c", "exit_on_error=on")
        self._run(self.binaries.postgres, "--single", "-D", cluster, *options, "postgres", statements=statements)

    def _run(self, *command: str | Path, statements: str = "") -> None:
        run_tool(list(command), self.folders, self.account, statements)

    def _check_version(self) -> None:
        found, needed = (self.data / "PG_VERSION").read_text().strip(), self.binaries.postgres_major
        if found != needed:
            raise EmbeddedServerError(
                f"the data folder {self.folders.data_dir} was made by PostgreSQL {found}, this is PostgreSQL {needed}: "
                "choose another folder, and restore a backup there"
            )

    def _remove_stale_pid_file(self) -> None:
        """Remove what a killed server left: its id may be another process's by now, and PostgreSQL would refuse.

        The lock says that no server of ours is running; one that somebody started by hand would accept connections.
        """
        pid_file = self.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        if len(lines) > 4 and accepts_connections(Path(lines[4]) / f".s.PGSQL.{lines[3]}"):
            raise EmbeddedServerError(
                f"another PostgreSQL, process {lines[0]}, runs on {self.data}: stop that one first"
            )
        pid_file.unlink(missing_ok=True)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError, struct.error):
            client.settimeout(ANSWER_SECONDS)
            client.connect(str(self.socket))
            return logs_in(client, ROLE)
        return False


def logs_in(client: socket.socket, role: str) -> bool:
    """Log in to the role's own database: a startup message, then answers until "ready for query" or an error."""
    words = f"user\0{role}\0database\0{role}\0\0".encode()
    protocol = 3 << 16
    client.sendall(struct.pack("!ii", len(words) + 8, protocol) + words)
    with client.makefile("rb") as messages:
        while True:
            kind, length = struct.unpack("!ci", messages.read(5))
            if kind in b"EZ":
                return bool(kind == b"Z")
            messages.read(length - 4)


def accepts_connections(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.connect(str(path))
        return True
    return False


def sync(folder: Path) -> None:
    """Make a change of the folder's names outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
