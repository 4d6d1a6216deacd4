"""One child process: a module of the program, under a guard that ends it when this process is gone."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tocsin.embedded import guard

# What a child has for its end once this process is gone.
ABANDONED: Final = (("SIGTERM", 3.0), ("SIGKILL", 1.0))
LONGEST_LINE_BYTES: Final = 1024 * 1024


class ChildError(Exception):
    """A child cannot be started; the message says why."""


@dataclass(frozen=True)
class Module:
    """What to run: `python -m module arguments`, under a name for the log, with variables besides the common ones.

    One that `stops_last` is what others need until their end.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stops_last: bool = False


class Child:
    """A running module."""

    def __init__(self, module: Module, process: asyncio.subprocess.Process, pid: int) -> None:
        self.module = module
        self.pid = pid
        self._guard = process

    @classmethod
    async def start(cls, module: Module, environment: Mapping[str, str], lock_fd: int) -> "Child":
        """Start the module. It holds the lock on the data folder, so that nobody takes its ports before it is gone."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", guard.__file__, _order(module, lock_fd)),
            cwd="/",
            env={**environment, **module.environment, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # A session of its own, so that the terminal's Ctrl-C does not reach it.
            start_new_session=True,
            pass_fds=(lock_fd,),
            limit=LONGEST_LINE_BYTES,
        )
        said = (await process.stdout.read()).decode() if process.stdout else ""
        if not said.isdecimal():
            raise ChildError(f"{module.name} cannot be started: {said or 'its guard process failed'}")
        return cls(module, process, int(said))

    async def read_until_end(self, write: Callable[[str, bytes], None]) -> int:
        """Hand on each line that the child says; at its end, return its status (128 + n after signal n)."""
        assert self._guard.stderr  # noqa: S101 - a pipe, as it was asked for
        while line := await _read_line(self._guard.stderr):
            write(self.module.name, line)
        return await self._guard.wait()

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def _order(module: Module, lock_fd: int) -> str:
    here = Path.cwd()
    return json.dumps(
        {
            # -P: a folder that the user stands in must not hide a module.
            "command": [sys.executable, "-P", "-m", module.module, *module.arguments],
            # Settings may name files relative to it; a user who cannot enter it names none.
            "cwd": str(here) if os.access(here, os.X_OK) else "/",
            "identity": {},
            "lock_fd": lock_fd,
            "log": None,
            "parent": os.getpid(),
            "stops": ABANDONED,
        }
    )


async def _read_line(output: asyncio.StreamReader) -> bytes:
    """The next line, in parts when it is endless; b"" at the end."""
    try:
        return await output.readuntil(b"\n")
    except asyncio.IncompleteReadError as exc:
        return exc.partial
    except asyncio.LimitOverrunError as exc:
        return await output.read(exc.consumed)
