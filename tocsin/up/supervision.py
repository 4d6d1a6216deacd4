"""Keeps the platform's processes running, and stops them in order."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from tocsin.embedded import EmbeddedServerError, EmbeddedServers
from tocsin.embedded.processes import Server
from tocsin.telemetry import MULTIPROCESS_VARIABLE
from tocsin.up.child import Child, ChildError, Module
from tocsin.up.log import Log

# What a process may take to finish what it does. A worker waits for the probes that are under way.
STOP_SECONDS: Final = 20.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
# A process that ran this long was well, so its next crash is a first one.
WELL_SECONDS: Final = 60.0
SERVER_CHECK_SECONDS: Final = 0.5
# After a start that failed, as on a full disk.
SERVER_PAUSE_SECONDS: Final = 5.0


class Supervisor:
    """Runs modules as child processes and starts again what ends by itself."""

    def __init__(self, log: Log, environment: Mapping[str, str], lock_fd: int) -> None:
        self._log = log
        self._environment = environment
        self._lock_fd = lock_fd
        self._children: dict[str, Child] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._last_tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    def run(self, modules: Sequence[Module]) -> None:
        """Start the modules and keep them running, from now on."""
        for module in modules:
            tasks = self._last_tasks if module.stops_last else self._tasks
            tasks.append(asyncio.create_task(self._keep_running(module)))

    def watch(self, servers: EmbeddedServers) -> None:
        """Start an embedded server again when it ends, from now on."""
        self._tasks.append(asyncio.create_task(self._keep_serving(servers)))

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop all children: gently, then by force when their time is over or the event is set."""
        self._stopping.set()
        hurried = asyncio.create_task(set_within(hurry, STOP_SECONDS))
        ended = asyncio.create_task(self._end_in_order())
        await asyncio.wait([ended, hurried], return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for name, child in self._children.items():
            self._log.say(f"{name} has not ended by itself and is killed", "warning")
            child.kill()
        await ended

    async def _end_in_order(self) -> bool:
        for last, tasks in ((False, self._tasks), (True, self._last_tasks)):
            for child in self._children.values():
                if child.module.stops_last is last:
                    child.ask_to_stop()
            await asyncio.gather(*tasks)
        return True

    async def _keep_running(self, module: Module) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            ending = await self._run_once(module)
            if self._stopping.is_set():
                return
            if time.monotonic() - started > WELL_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._log.say(f"{module.name} {ending}; starting it again in {pause:g} s", "error")
            if await set_within(self._stopping, pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _run_once(self, module: Module) -> str:
        """Run the module to its end; return how it ended, in words."""
        try:
            child = await Child.start(module, self._environment, self._lock_fd)
        except (ChildError, OSError) as exc:
            return f"did not start ({exc})"
        self._children[module.name] = child
        if self._stopping.is_set():
            child.ask_to_stop()
        status = await child.read_until_end(self._log.pass_on)
        del self._children[module.name]
        if folder := self._environment.get(MULTIPROCESS_VARIABLE):
            mark_process_dead(child.pid, folder)  # type: ignore[no-untyped-call]
        return f"was killed by signal {status - 128}" if status > 128 else f"ended with status {status}"

    async def _keep_serving(self, servers: EmbeddedServers) -> None:
        while not await set_within(self._stopping, SERVER_CHECK_SECONDS):
            for server in (servers.postgres, servers.valkey):
                if not server.is_running():
                    self._log.say(f"{server.name} ended; starting it again", "error")
                    await self._start_again(server)

    async def _start_again(self, server: Server) -> None:
        try:
            await asyncio.to_thread(server.start)
        except (EmbeddedServerError, OSError) as exc:
            self._log.say(str(exc), "error")
            await set_within(self._stopping, SERVER_PAUSE_SECONDS)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event; False when the time is over."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
