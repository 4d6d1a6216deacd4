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

# Crash recovery replays up to a gigabyte of log before PostgreSQL answers.
START_SECONDS = 60.0
POLL_SECONDS = 0.005
KILL_SECONDS = 10.0
LOG_LINES_IN_ERRORS = 6
# Nothing of the program's own environment, which may hold secrets and settings that the servers would obey.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Server(ABC):
    """One server with its guard process. Methods block; asynchronous callers use `asyncio.to_thread`."""

    name: ClassVar[str]
    stops: ClassVar[list[tuple[str, float]]]
    """Signals that stop the server, the gentlest first, each with the seconds until the next one."""

    def __init__(self, folders: Folders, account: Account) -> None:
        self.folders = folders
        self.account = account
        self.log = folders.log / f"{self.name.lower()}.log"
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder ready; remove what a killed server left."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client gets an answer now."""

    @property
    def pid(self) -> int:
        if self._pid is None:
            raise EmbeddedServerError(f"{self.name} is not running")
        return self._pid

    def start(self) -> None:
        """Start the server and wait until it answers; raises `EmbeddedServerError` with the end of its log."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        if self._guard is not None:
            raise EmbeddedServerError(f"{self.name} is running already")
        self.prepare()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, json.dumps(self._order())],
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self.folders.lock_fd,),
        )
        assert self._guard.stdout is not None
        said = self._guard.stdout.read().decode()
        if not said.isdecimal():
            self._finish(KILL_SECONDS)
            raise EmbeddedServerError(f"{self.name} cannot be started: {said or 'its guard process failed'}")
        self._pid = int(said)

    def _order(self) -> dict[str, object]:
        return {
            "command": self.command(),
            "identity": self.account.identity(),
            "lock_fd": self.folders.lock_fd,
            "log": str(self.log),
            "parent": os.getpid(),
            "stops": self.stops,
        }

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.is_running():
                self._finish(KILL_SECONDS)
                raise EmbeddedServerError(f"{self.name} did not start: {self._end_of_log()}")
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedServerError(f"{self.name} gave no answer in {START_SECONDS:.0f} s: {self._end_of_log()}")
            time.sleep(POLL_SECONDS)

    def is_running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def stop(self) -> None:
        """Stop the server cleanly, or by force after a bounded time; returns when its processes are gone."""
        self._finish(sum(seconds for _, seconds in self.stops) + KILL_SECONDS)

    def kill(self) -> None:
        """End the server at once, as a crash does (SIGKILL); returns when all its processes are gone."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._guard is not None
        self._guard.wait(KILL_SECONDS)
        self._finish(KILL_SECONDS)

    def _finish(self, seconds: float) -> None:
        """Close the guard's input, which tells it to stop the server, and wait for its end."""
        if self._guard is None:
            return
        with self._guard as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(seconds)
        self._guard = self._pid = None

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " | ".join([*lines[-LOG_LINES_IN_ERRORS:], f"log: {self.log}"])


def run_tool(command: list[str | Path], folders: Folders, account: Account, stdin: str = "") -> None:
    """Run a short-lived tool of a server; it holds the lock, so that nobody starts while it still works."""
    done = subprocess.run(
        command,
        cwd="/",
        env=ENVIRONMENT,
        input=stdin.encode(),
        capture_output=True,
        check=False,
        process_group=0,
        pass_fds=(folders.lock_fd,),
        **account.identity(),
    )
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        raise EmbeddedServerError(f"{Path(command[0]).name} failed: {' | '.join(lines[-LOG_LINES_IN_ERRORS:])}")
