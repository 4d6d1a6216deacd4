"""What processes have in common that run until a signal comes, and end when a part of them fails."""

import asyncio
import signal
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
import structlog

from tocsin.database import Connection, Pool, Role, open_pool

_RETRY_SECONDS = 1.0
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
# What a database that is away, starting, full or in somebody else's hands raises.
DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
    TimeoutError,
)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def run_until(stopped: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Run the parts until the event is set, and return them still running. Raises what a part raises."""
    tasks = [asyncio.create_task(part) for part in parts]
    waiting = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done:
        task.result()
    return tasks


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the tasks and wait for their end, which a database that does not answer may delay: then not for long."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)


@asynccontextmanager
async def pool_when_ready(
    stopped: asyncio.Event, database_url: str, role: Role, connections: int = 6
) -> AsyncIterator[Pool]:
    """Connections in a role, from when the database is there on until they are closed again."""
    pool = await _open_pool_when_ready(stopped, database_url, role, connections)
    try:
        yield pool
    finally:
        closing = asyncio.get_running_loop().call_later(_CLOSE_SECONDS, pool.terminate)
        await pool.close()
        closing.cancel()


async def _open_pool_when_ready(stopped: asyncio.Event, database_url: str, role: Role, connections: int) -> Pool:
    """Connect, however long the database is away; say so while it is. A signal ends the process."""
    while not stopped.is_set():
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await open_pool(database_url, role, connections=connections)
        except _AWAY as exc:
            _logger.warning("database_is_away", error=type(exc).__name__, detail=str(exc))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _RETRY_SECONDS)
    raise SystemExit(0)


@asynccontextmanager
async def lent(pool: Pool, seconds: float = 10.0) -> AsyncIterator[Connection]:
    """A connection of the pool, cut when it is used for longer than that."""
    async with pool.acquire(timeout=min(seconds, _CONNECT_SECONDS)) as connection:
        with cut_after(seconds, connection):
            yield connection


@contextmanager
def cut_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Cut a connection that does not answer: it may lead to a server that is no more, and never say so.

    Its statements then raise one of DATABASE_ERRORS.
    """
    cutting = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    finally:
        cutting.cancel()


async def begin(stopped: asyncio.Event, work: Callable[[], Awaitable[object]]) -> None:
    """Do what must be done first, again and again until it succeeds or the event is set."""
    while not stopped.is_set() and not await survive(work(), "not_ready"):
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _RETRY_SECONDS)


async def survive(work: Awaitable[object], failure: str) -> bool:
    """Whether it succeeded. A database that is away is said and outlived, and so is an error of ours.

    Whatever it was, the ledger still knows what is to be done, and the other parts of the process go on.
    """
    try:
        await work
    except DATABASE_ERRORS as exc:
        _logger.warning(failure, error=type(exc).__name__, detail=str(exc))
    except Exception as exc:
        log_internal_error(failure, exc)
    else:
        return True
    return False


def log_internal_error(event: str, exc: Exception, **context: object) -> None:
    """Where it happened, but not what the error says: that may hold a part of a target or a result."""
    frames = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]
    _logger.error(event, error=type(exc).__name__, frames=frames, **context)
