"""A real server as a child of the tests: on loopback, with a folder of its own, gone with the tests."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

from tests.embedded.conftest import open_folder
from tests.servers.credentials import Credentials, make_credentials
from tocsin.embedded.accounts import Account, choose_account
from tocsin.embedded.folders import Folders
from tocsin.embedded.lock import locked
from tocsin.embedded.processes import Server

ADDRESS = "127.0.0.1"


class LoopbackServer(Server):
    """Listens on free ports of loopback, by name in `ports`, as the tests' user, or as nobody when that is root.

    `data` is the server's own folder; its data is thrown away. `credentials` is the TLS of all servers.
    """

    stops: ClassVar[tuple[tuple[str, float], ...]] = (("SIGTERM", 3.0), ("SIGKILL", 1.0))
    listens: ClassVar[tuple[str, ...]] = ("plain",)
    # Runs as the tests' user in any case, as a program of the tests' environment, which others may be unable to reach.
    keeps_account: ClassVar[bool] = False

    def __init__(self, folders: Folders, account: Account, credentials: Credentials) -> None:
        super().__init__(folders, account)
        self.credentials = credentials
        self.data = folders.home / "data"
        self.ports = dict(zip(self.listens, free_ports(len(self.listens)), strict=True))

    def prepare(self) -> None:
        self.folders.log.mkdir(exist_ok=True)
        self.account.own(self.data)
        self.configure()

    def configure(self) -> None:
        """Write what the server reads when it starts."""

    def write(self, name: str, text: str) -> Path:
        """A file of the server's folder that its account can read."""
        path = self.data / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def answers(self) -> bool:
        return all(accepts(port) for port in self.ports.values())


S = TypeVar("S", bound=LoopbackServer)


@contextmanager
def running(kind: type[S]) -> Iterator[S]:
    """Run a server until the end of the block."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        folders = Folders(folder, folder, folder / "run", stack.enter_context(locked(folder)))
        account = Account() if kind.keeps_account else choose_account(folder)
        server = kind(folders, account, make_credentials(folder))
        stack.callback(server.stop)
        server.start()
        yield server


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((ADDRESS, 0))) for _ in range(count)]
        return [port for _, port in (bound.getsockname() for bound in sockets)]


def accepts(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((ADDRESS, port)) == 0
