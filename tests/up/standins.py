"""Small modules that stand in for the platform's processes."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tocsin.up.child import Module
from tocsin.up.log import Log
from tocsin.up.supervision import Supervisor

STEADY = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye"), os._exit(0)))
print("pid", os.getpid())
while True:
    time.sleep(60)
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pid", os.getpid())
while True:
    time.sleep(60)
"""
CRASHING = "raise SystemExit(3)"
CHATTY = """
import sys, time
print('{"event": "request", "level": "info", "timestamp": "2026-01-02T03:04:05Z", "path": "/graphql"}')
print("plain words", file=sys.stderr)
print("x" * 3_000_000)
print("the end")
time.sleep(60)
"""


class Stage:
    """A supervisor, and what its log says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = io.StringIO()
        self.lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
        environment = {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}
        self.supervisor = Supervisor(Log(output=self.output), environment, self.lock_fd)
        self.hurry = asyncio.Event()

    def run(self, name: str, source: str) -> None:
        (self.folder / f"{name}_module.py").write_text(source)
        self.supervisor.run([Module(name, f"{name}_module")])

    @property
    def lines(self) -> list[str]:
        """What the log says, without the times."""
        return [line.partition(" ")[2] for line in self.output.getvalue().splitlines()]

    async def wait_for(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - a log rings no bell
                await asyncio.sleep(0.01)

    def pids(self, name: str) -> list[int]:
        """The ids that a module's processes told, in their order."""
        return [int(words[2]) for line in self.lines if (words := line.split())[:2] == [name, "pid"]]


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """A supervisor whose children are gone at the end."""
    made = Stage(folder)
    try:
        yield made
    finally:
        made.hurry.set()
        await made.supervisor.stop(made.hurry)
        os.close(made.lock_fd)


SUPERVISING = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.up.standins import STEADY, STUBBORN, stage

async def main():
    async with stage(Path(sys.argv[1])) as made:
        made.run("steady", STEADY)
        made.run("stubborn", STUBBORN)
        await made.wait_for(lambda: made.pids("steady") and made.pids("stubborn"))
        print(*made.pids("steady"), *made.pids("stubborn"), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
