"""PostgreSQL: its cluster, its settings, and when it answers."""

import contextlib
import shutil
import socket
import struct
from pathlib import Path
from urllib.parse import quote

from tocsin.embedded.accounts import Account
from tocsin.embedded.binaries import Binaries
from tocsin.embedded.errors import EmbeddedServerError
from tocsin.embedded.folders import Folders
from tocsin.embedded.processes import Server, run_tool

PORT = 5432
ROLE = "tocsin"
ANSWER_SECONDS = 1.0
# The superuser works in single-user mode alone, so that no client can ever be one.
ACCESS_RULES = "local all postgres reject\nlocal all all trust\n"
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Errors of statements go to the client; their details can hold what no log should.
    "log_min_messages": "log",
    "cluster_name": "tocsin",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer(Server):
    name = "PostgreSQL"
    # Fast shutdown, then immediate: what that leaves is recovered at the next start.
    stops = [("SIGINT", 3.5), ("SIGQUIT", 1.0), ("SIGKILL", 1.0)]

    def __init__(self, folders: Folders, account: Account, binaries: Binaries, *, fast: bool) -> None:
        super().__init__(folders, account)
        self.binaries = binaries
        self.fast = fast
        self.data = folders.home / "postgres"

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@/{ROLE}?host={quote(str(self.folders.sockets), safe='/')}&port={PORT}"

    def command(self) -> list[str]:
        settings = SETTINGS | (FAST if self.fast else DURABLE)
        settings["unix_socket_directories"] = str(self.folders.sockets)
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [str(self.binaries.postgres), "-D", str(self.data), *options]

    def prepare(self) -> None:
        if not self.data.exists():
            self._create_cluster()
        self._check_version()
        self._remove_stale_pid_file()
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self.folders.sockets / name).unlink(missing_ok=True)

    def _create_cluster(self) -> None:
        """Make the cluster aside and rename it at the end: a folder that is there is whole."""
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self.account.own(fresh)
        self._run(self.binaries.initdb, "-D", fresh, *INITDB_OPTIONS)
        (fresh / "pg_hba.conf").write_text(ACCESS_RULES)
        single = ("--single", "-D", fresh, "-c", "fsync=off", "-c", "exit_on_error=on", "postgres")
        self._run(self.binaries.postgres, *single, stdin=self._first_statements())
        if not self.fast:
            self._run(self.binaries.initdb, "--sync-only", "-D", fresh)
        fresh.rename(self.data)

    def _first_statements(self) -> str:
        # Tests make a database each.
        rights = "CREATEROLE CREATEDB" if self.fast else "CREATEROLE"
        return f"CREATE ROLE {ROLE} LOGIN {rights};\nCREATE DATABASE {ROLE} OWNER {ROLE};\n"

    def _run(self, *command: str | Path, stdin: str = "") -> None:
        run_tool(list(command), self.folders, self.account, stdin)

    def _check_version(self) -> None:
        found, needed = (self.data / "PG_VERSION").read_text().strip(), self.binaries.postgres_major
        if found != needed:
            raise EmbeddedServerError(
                f"the data folder {self.folders.data_dir} was made by PostgreSQL {found}, this is PostgreSQL {needed}: "
                "choose another folder and restore a dump there"
            )

    def _remove_stale_pid_file(self) -> None:
        """Remove the pid file of a killed server: another process may have its id by now, and PostgreSQL would refuse.

        The lock says that no server of ours runs; one that somebody started by hand would answer.
        """
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        lines = pid_file.read_text().splitlines()
        if len(lines) > 4 and accepts_connections(Path(lines[4]) / f".s.PGSQL.{lines[3]}"):
            raise EmbeddedServerError(f"another PostgreSQL (process {lines[0]}) runs on {self.data}: stop it first")
        pid_file.unlink()

    def answers(self) -> bool:
        return accepts_role(self.folders.sockets / f".s.PGSQL.{PORT}", ROLE)


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


def accepts_connections(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        return True
    return False


def accepts_role(path: Path, role: str) -> bool:
    """Log in to the role's own database, as any client does: a startup message, then messages up to "ready for query"."""
    words = f"user\0{role}\0database\0{role}\0\0".encode()
    startup = struct.pack("!ii", len(words) + 8, 196608) + words
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.settimeout(ANSWER_SECONDS)
        client.connect(str(path))
        client.sendall(startup)
        with client.makefile("rb") as answer:
            while header := answer.read(5):
                kind, length = struct.unpack("!ci", header)
                if kind in b"EZ":
                    return bool(kind == b"Z")
                answer.read(length - 4)
    return False
