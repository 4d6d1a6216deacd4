"""A program of its own that runs the embedded servers, for tests that end it in every way."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tocsin

REPOSITORY = Path(tocsin.__file__).parents[1]
SOURCE = """
import json, os, sys, time
from pathlib import Path
from tocsin.embedded import embedded_servers

with embedded_servers(Path(sys.argv[1]), fast=True) as servers:
    pids = {"postgres": servers.postgres.pid, "valkey": servers.valkey.pid}
    pids["guards"] = [servers.postgres._guard.pid, servers.valkey._guard.pid]
    commands = {"postgres": servers.postgres.command()[0], "valkey": servers.valkey.command()[0]}
    forked = os.fork() if "fork" in sys.argv else None
    if forked == 0:
        time.sleep(60)
        os._exit(0)
    said = {"home": str(servers.home), "pids": pids, "commands": commands, "forked": forked}
    try:
        print(json.dumps(said), flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        print(json.dumps(servers.postgres.answers() and servers.valkey.answers()), flush=True)
"""


class Program:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        said = self.read()
        self.home = Path(said["home"])
        self.commands: dict[str, str] = said["commands"]
        self.forked: int = said["forked"]
        self.postgres: int = said["pids"]["postgres"]
        self.valkey: int = said["pids"]["valkey"]
        self.guards: list[int] = said["pids"]["guards"]

    def read(self) -> Any:
        """The next line that the program says."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def servers_are_gone(self) -> bool:
        return all(is_gone(pid) for pid in (self.postgres, self.valkey))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running_program(
    data_dir: Path, *arguments: str, python: str = sys.executable, path: tuple[Path, ...] = (), **options: Any
) -> Iterator[Program]:
    """Run it in a session of its own. `path` comes before the installed packages; `options` are those of Popen."""
    folders = [*map(str, path), str(REPOSITORY), *sys.path[1:]]
    process = subprocess.Popen(
        [python, "-c", SOURCE, str(data_dir), *arguments],
        env={"PYTHONPATH": os.pathsep.join(folders), "PATH": os.environ["PATH"]},
        cwd="/",
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        **options,
    )
    with process:
        program = Program(process)
        yield program
        process.kill()
    assert wait_until(program.servers_are_gone)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, also when its parent has not asked yet."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except FileNotFoundError:
        return Path("/proc/self").exists()


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()
