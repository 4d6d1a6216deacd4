"""The whole platform as a program of its own, for tests that end it in every way."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.embedded.program import is_gone, wait_until

TOKEN = re.compile(r"Token +(\S+)")
START_SECONDS = 30.0


class Platform:
    """A running `tocsin up`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._said.append(line)

    @property
    def said(self) -> str:
        return "".join(self._said)

    @property
    def token(self) -> str:
        found = TOKEN.search(self.said)
        assert found, self.said
        return found[1]

    def wait_until_greeted(self) -> None:
        """Wait until a newcomer is told how to begin."""
        assert wait_until(lambda: "Ctrl-C stops everything" in self.said, START_SECONDS), self.said

    def ask(self, query: str) -> dict[str, object]:
        """Ask the API with the token that a newcomer is told."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": query},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )
        data: dict[str, object] = answer.raise_for_status().json()["data"]
        return data

    def processes(self) -> dict[int, str]:
        """Every process that it started, directly or not, with its command."""
        listed = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
        commands, known = {int(row[0]): row[2] for row in rows}, {self.process.pid}
        for _ in range(4):
            known |= {int(row[0]) for row in rows if int(row[1]) in known}
        return {pid: commands[pid] for pid in known - {self.process.pid}}

    def find(self, part: str) -> int:
        """The process whose command ends so, which its guard's does not; 0 when there is none."""
        return next((pid for pid, command in self.processes().items() if command.rstrip().endswith(part)), 0)

    def end(self, number: int) -> int:
        """End it with a signal; return its status once its output is read to the end."""
        if self.process.poll() is None:
            # To the whole group, as a terminal does: the others must not be in it.
            os.killpg(self.process.pid, number)
        status = self.process.wait(30)
        self._reader.join(10)
        return status


@contextmanager
def platform(data_dir: Path, *arguments: str, under: tuple[str, ...] = ()) -> Iterator[Platform]:
    """Run `tocsin up` in a session of its own, on a free port; `under` is a command that starts another one."""
    port = free_port()
    # Under `nohup` the tests ignore it, and so would what they start.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    process = subprocess.Popen(
        [*under, sys.executable, "-m", "tocsin.cli", "up", f"--data-dir={data_dir}", f"--port={port}", *arguments],
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        made = Platform(process, port)
        left: dict[int, str] = {}
        try:
            yield made
            left = made.processes() if process.poll() is None else {}
        finally:
            process.kill()
            process.wait()
            made._reader.join(10)
    assert wait_until(lambda: all(map(is_gone, left)))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def remove_data(data_dir: Path) -> None:
    """Remove a data folder, also what of it the servers' account keeps elsewhere."""
    shutil.rmtree((data_dir / "servers").resolve(), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)
