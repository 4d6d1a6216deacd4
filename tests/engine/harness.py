"""The engine as it runs: real servers, local targets, and children that plan and probe and come to harm."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

import tocsin
from tests.engine.accounting import Account, account, inconsistencies
from tocsin.embedded import EmbeddedServers
from tocsin.services.partitions import ensure_partitions

REPOSITORY = Path(tocsin.__file__).parents[1]
ORGANIZATION = 1

_ORGANIZATION = """
INSERT INTO organizations (id, name) VALUES (1, 'one');
INSERT INTO event_counters (organization_id) VALUES (1);
INSERT INTO sites (id, organization_id, name) VALUES (1, 1, 'site');
SELECT setval(pg_get_serial_sequence('sites', 'id'), 1), setval(pg_get_serial_sequence('organizations', 'id'), 1);
"""
_CHECKS = """
INSERT INTO checks (organization_id, site_id, name, kind, target, interval_seconds, timeout_ms, failure_threshold,
                    success_threshold)
SELECT 1, 1, 'check ' || n, $1, $2::jsonb, $3, $4, 3, 2 FROM generate_series(1, $5) n
RETURNING id
"""
_VERSIONS = """
INSERT INTO check_versions (check_id, revision, organization_id, valid_from, kind, target, interval_ms, timeout_ms,
                            failure_threshold, success_threshold, paused)
SELECT id, 1, 1, date_trunc('second', tocsin_now()), kind, target, interval_seconds * 1000,
       timeout_ms, 3, 2, false
FROM checks WHERE id = ANY($1::bigint[])
"""
_STATES = """
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
SELECT check_id, 1, 1, valid_from - interval '1 millisecond', 'PENDING', valid_from, 'PENDING' FROM check_versions
WHERE check_id = ANY($1::bigint[])
"""


@dataclass(eq=False)
class EngineProcess:
    """A scheduler or worker, `python -m <module>`, that can be killed, frozen and started again."""

    module: str
    environment: dict[str, str]
    log: Path
    prelude: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        source = f"{self.prelude}\nimport runpy; runpy.run_module({self.module!r}, run_name='__main__')"
        command = [sys.executable, "-c", source] if self.prelude else [sys.executable, "-m", self.module]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it as a crash does."""
        self.signal(signal.SIGKILL)
        self.wait()

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def wait(self, seconds: float = 20.0) -> int:
        """Its exit status."""
        assert self.process is not None
        return self.process.wait(seconds)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def said(self) -> str:
        return self.log.read_text()


@dataclass(eq=False)
class Platform:
    """One database with its engine. Every question to the database comes on a connection of its own."""

    servers: EmbeddedServers
    database_url: str
    folder: Path
    processes: list[EngineProcess] = field(default_factory=list)

    def process(self, module: str, prelude: str = "", **environment: str) -> EngineProcess:
        """Make a process of the engine and start it. `environment` adds settings."""
        urls = {"TOCSIN_DATABASE_URL": self.database_url, "TOCSIN_REDIS_URL": self.servers.redis_url}
        log = self.folder / f"{module}-{len(self.processes)}.log"
        made = EngineProcess(module, {**os.environ, **urls, **environment}, log, prelude)
        self.processes.append(made)
        made.start()
        return made

    def scheduler(self, prelude: str = "", **environment: str) -> EngineProcess:
        return self.process("probes.scheduler", prelude, **environment)

    def worker(self, prelude: str = "", **environment: str) -> EngineProcess:
        return self.process("probes.worker", prelude, **environment)

    async def stop(self) -> list[int]:
        """End all processes gracefully, while the targets go on; return their exit statuses."""
        for process in self.processes:
            process.terminate()
        return [await asyncio.to_thread(process.wait) for process in self.processes]

    def end(self) -> None:
        if self.servers.postgres.is_running():
            self.thaw_postgres()
        if self.servers.valkey.is_running():
            self.thaw_valkey()
        for process in self.processes:
            process.thaw()
            if process.process is not None:
                process.kill()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection with the rights of the migrator."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            yield connection
        finally:
            await connection.close(timeout=2)

    async def prepare(self) -> None:
        """Make the organization that has all checks, and the days' partitions."""
        async with self.connection() as connection:
            await connection.execute(_ORGANIZATION)
            await ensure_partitions(connection, await connection.fetchval("SELECT now()"))

    async def make_checks(
        self, count: int, every_seconds: int, port: int, *, timeout_ms: int = 1000, kind: str = "http"
    ) -> list[int]:
        """Make checks that are due from now on, before the engine first starts; return their ids."""
        target = (
            f'{{"url": "http://127.0.0.1:{port}/"}}' if kind == "http" else f'{{"host": "127.0.0.1", "port": {port}}}'
        )
        return await self.make_checks_of(kind, target, count, every_seconds, timeout_ms)

    async def make_checks_of(
        self, kind: str, target: str, count: int, every_seconds: int, timeout_ms: int
    ) -> list[int]:
        """As `make_checks`, of any target, given as JSON."""
        async with self.connection() as connection, connection.transaction():
            rows = await connection.fetch(_CHECKS, kind, target, every_seconds, timeout_ms, count)
            ids = [row["id"] for row in rows]
            await connection.execute(_VERSIONS, ids)
            await connection.execute(_STATES, ids)
        return ids

    async def now(self) -> datetime:
        """The platform's time."""
        now: datetime = await self.ask("SELECT tocsin_now()")
        return now

    async def ask(self, query: str, *arguments: object) -> Any:
        async with self.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def until_probing(self, seconds: float = 20.0) -> datetime:
        """Wait until results come; return the instant from which on slots are counted."""
        await eventually(lambda: self.ask("SELECT true FROM results LIMIT 1"), seconds)
        return await self.now()

    async def settled(self, since: datetime, seconds: float = 12.0) -> Account:
        """Account for what was due since then until now, as soon as every slot has ended."""
        until = await self.now()
        total = Account()

        async def is_settled() -> bool:
            nonlocal total
            async with self.connection() as connection:
                total = await account(connection, since, until)
            return not total.silent and not total.unfolded

        with suppress(AssertionError):
            await eventually(is_settled, seconds, every_seconds=0.5)
        return total

    async def problems(self) -> list[str]:
        """What contradicts the invariants by now."""
        async with self.connection() as connection:
            return await inconsistencies(connection)

    async def kill_postgres(self) -> None:
        await asyncio.to_thread(self.servers.postgres.kill)

    async def start_postgres(self) -> None:
        await asyncio.to_thread(self.servers.postgres.start)

    def freeze_postgres(self) -> None:
        self._signal_postgres(signal.SIGSTOP)

    def thaw_postgres(self) -> None:
        self._signal_postgres(signal.SIGCONT)

    def _signal_postgres(self, number: int) -> None:
        server = self.servers.postgres.pid
        for pid in (server, *children_of(server)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze_valkey(self) -> None:
        os.kill(self.servers.valkey.pid, signal.SIGSTOP)

    def thaw_valkey(self) -> None:
        os.kill(self.servers.valkey.pid, signal.SIGCONT)

    async def kill_valkey(self) -> None:
        await asyncio.to_thread(self.servers.valkey.kill)

    async def start_valkey(self) -> None:
        await asyncio.to_thread(self.servers.valkey.start)


def children_of(parent: int) -> list[int]:
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if state_of(pid)[1] == str(parent)]


def state_of(pid: int) -> list[str]:
    """The state of a process, its parent and so on, as `/proc` has them; no more than blanks when it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return ["", ""]


class Target(asyncio.Protocol):
    """Answers every request with `status` after `delay_seconds`, and counts them."""

    status = 200
    delay_seconds = 0.0
    answered = 0

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head:
            asyncio.get_running_loop().call_later(self.delay_seconds, self._answer)

    def _answer(self) -> None:
        assert self._transport is not None
        type(self).answered += 1
        head = f"HTTP/1.1 {self.status} Whatever\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        self._transport.write(head.encode())
        self._transport.close()


@asynccontextmanager
async def http_target() -> AsyncIterator[tuple[int, type[Target]]]:
    """A local HTTP server: its port, and the class whose `status` says how it answers."""
    answer = type("Answer", (Target,), {})
    server = await asyncio.get_running_loop().create_server(answer, "127.0.0.1", 0, backlog=2048)
    async with server:
        yield server.sockets[0].getsockname()[1], answer


async def eventually(condition: Callable[[], Awaitable[object]], seconds: float, every_seconds: float = 0.2) -> float:
    """Wait until the condition holds; return how long that took. A database that is away is asked again."""
    started = time.monotonic()
    while True:
        try:
            if await condition():
                return time.monotonic() - started
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pass
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds} s")
        await asyncio.sleep(every_seconds)


@contextmanager
def ended(platform: Platform) -> Iterator[Platform]:
    """Leave no process behind."""
    try:
        yield platform
    finally:
        platform.end()
