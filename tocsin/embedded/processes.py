"""A server as a child process: start, stop, kill, and start again."""

import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from tocsin.embedded import guard
from tocsin.embedded.accounts import Account
from tocsin.embedded.errors import EmbeddedServerError
from tocsin.embedded.folders import Folders

# PostgreSQL may have a gigabyte of its log to replay after a crash.
START_SECONDS = 60.0
POLL_SECONDS = 0.005
# What a guard needs beyond the seconds that its server is given.
GUARD_SECONDS = 2.0
LOG_LINES_IN_ERRORS = 6
# Nothing of the program's own environment: it may hold secrets, and settings that the servers would obey.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Server(ABC):
    """One server and its guard process. All methods block; asynchronous callers use `asyncio.to_thread`.

    `stops` are the signals that stop the server, the gentlest first, each with the seconds until the next one.
    """

    name: ClassVar[str]
    stops: ClassVar[tuple[tuple[str, float], ...]]

    def __init__(self, folders: Folders, account: Account) -> None:
        self.folders = folders
        self.account = account
        self.log = folders.log / f"{self.name.lower()}.log"
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def prepare(self) -> None:
        """Make the data ready, and remove what a killed server left."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client is served now."""

    @property
    def pid(self) -> int:
        """The id of the server's first process. Raises EmbeddedServerError when the server does not run."""
        if not self.is_running():
            raise EmbeddedServerError(f"{self.name} is not running")
        return self._pid

    def is_running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers. Raises EmbeddedServerError with the end of its log."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        if self.is_running():
            raise EmbeddedServerError(f"{self.name} is running already")
        self.stop()
        self.prepare()
        self._guard = self._start_guard()
        said = self._guard.stdout.read().decode() if self._guard.stdout else ""
        if not said.isdecimal():
            self.stop()
            raise EmbeddedServerError(f"{self.name} cannot be started: {said or 'its guard process failed'}")
        self._pid = int(said)

    def _start_guard(self) -> subprocess.Popen[bytes]:
        order = {
            "command": self.command(),
            "cwd": "/",
            "identity": self.account.identity(),
            "lock_fd": self.folders.lock_fd,
            "log": str(self.log),
            "parent": os.getpid(),
            "stops": self.stops,
        }
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-I", "-S", guard.__file__, json.dumps(order)],
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # A session of its own, so that the terminal's Ctrl-C does not reach it.
            start_new_session=True,
            pass_fds=(self.folders.lock_fd,),
        )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.is_running():
                raise EmbeddedServerError(f"{self.name} did not start: {self._end_of_log()}")
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{self.name} gave no answer in {START_SECONDS:.0f} s: {self._end_of_log()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server cleanly, by force when that takes too long; returns when its processes are gone."""
        if self._guard is None:
            return
        # Leaving the block closes the guard's input, which tells it to stop the server, and waits.
        with self._guard as process:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(sum(seconds for _, seconds in self.stops) + GUARD_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._guard = None

    def kill(self) -> None:
        """End the server as a crash does (SIGKILL); returns when its processes are gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return " | ".join([*lines[-LOG_LINES_IN_ERRORS:], f"log: {self.log}"])


def run_tool(command: list[str | Path], folders: Folders, account: Account, statements: str = "") -> None:
    """Run a short-lived tool of a server. It holds the lock, so that nobody starts while it still works."""
    done = subprocess.run(  # noqa: S603 - our own binaries
        command,
        cwd="/",
        env=ENVIRONMENT,
        input=statements.encode(),
        capture_output=True,
        check=False,
        process_group=0,
        pass_fds=(folders.lock_fd,),
        **account.identity(),
    )
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        raise EmbeddedServerError(f"{Path(command[0]).name} failed: {' | '.join(lines[-LOG_LINES_IN_ERRORS:])}")
