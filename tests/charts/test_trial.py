"""The script that the trial's PostgreSQL runs once, on a cluster as the official image makes one."""

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import asyncpg
import pytest

from tests.charts.dockerfile import ROOT
from tests.embedded.conftest import open_folder
from tocsin.embedded.accounts import choose_account
from tocsin.embedded.binaries import find_binaries
from tocsin.embedded.folders import make_data_dir, opened
from tocsin.embedded.lock import locked
from tocsin.embedded.postgres import PORT, PostgresServer, logs_in
from tocsin.initialization import initialize

SCRIPT = ROOT / "charts" / "tocsin" / "files" / "trial" / "make-tocsin.sh"
PASSWORD = "sw'ord\"$fish"


class ImagesServer(PostgresServer):
    """Nothing but the superuser, who needs no password on the socket; everybody else does."""

    def _create_database(self, cluster: Path) -> None:
        (cluster / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError, struct.error):
            client.connect(str(self.socket))
            return logs_in(client, "postgres")
        return False


@pytest.fixture(scope="module")
def server() -> Iterator[ImagesServer]:
    with ExitStack() as stack:
        data_dir = make_data_dir(stack.enter_context(open_folder()))
        lock_fd = stack.enter_context(locked(data_dir))
        account = choose_account(data_dir / "postgres")
        folders = stack.enter_context(opened(data_dir, lock_fd, account, throwaway=True))
        server = ImagesServer(folders, account, find_binaries(account), fast=True)
        stack.callback(server.stop)
        server.launch()
        server.wait_until_ready()
        make_tocsin(server)
        yield server


def make_tocsin(server: ImagesServer) -> None:
    """Run the script as the image does, with its own psql."""
    own = {
        "PGHOST": str(server.folders.sockets),
        "PGPORT": str(PORT),
        "PGUSER": "postgres",
        "TOCSIN_PASSWORD": PASSWORD,
    }
    path = f"{server.binaries.postgres.parent}:{os.environ['PATH']}"
    subprocess.run(["sh", "-e", SCRIPT], env={"PATH": path, **own}, check=True, capture_output=True)


async def test_tocsin_works_with_the_role_that_it_makes(server: ImagesServer) -> None:
    url = f"{server.url.replace('tocsin@', 'tocsin:sw%27ord%22$fish@')}"
    assert await initialize(url, bootstrap_token="a" * 24, wait_seconds=0)


async def test_the_role_takes_its_password(server: ImagesServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url.replace("tocsin@", "tocsin:guessed@"))
