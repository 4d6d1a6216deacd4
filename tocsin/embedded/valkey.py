"""Valkey: its settings, and when it answers."""

import socket
from contextlib import suppress

from tocsin.embedded.accounts import Account
from tocsin.embedded.binaries import Binaries
from tocsin.embedded.folders import Folders
from tocsin.embedded.processes import Server

ANSWER_SECONDS = 1.0
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "logfile": "",
    "save": "",
    "appendonly": "yes",
    "maxmemory-policy": "noeviction",
}


class ValkeyServer(Server):
    """`fast` is for tests: nothing is synced to disk."""

    name = "Valkey"
    stops = (("SIGTERM", 3.0), ("SIGKILL", 1.0))

    def __init__(self, folders: Folders, account: Account, binaries: Binaries, *, fast: bool) -> None:
        super().__init__(folders, account)
        self.binaries = binaries
        self.fast = fast
        self.data = folders.home / "valkey"
        self.socket = folders.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def command(self) -> list[str]:
        settings = SETTINGS | {
            "dir": str(self.data),
            "unixsocket": str(self.socket),
            "appendfsync": "no" if self.fast else "everysec",
        }
        options = [option for name, value in settings.items() for option in (f"--{name}", value)]
        return [str(self.binaries.valkey), *options]

    def prepare(self) -> None:
        self.account.own(self.data)
        self.socket.unlink(missing_ok=True)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(ANSWER_SECONDS)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False
