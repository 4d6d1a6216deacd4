"""What the engine's processes have in common: they run until a signal comes, and end when a part of them fails."""

import asyncio
import signal
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from tocsin.database import Pool, Role, open_pool

_RETRY_SECONDS = 1.0
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
    """Cancel the tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def open_pool_when_ready(
    stopped: asyncio.Event, database_url: str, role: Role | None, *, connections: int
) -> Pool:
    """Connect, however long the database is away; say so while it is. A signal ends the process."""
    while not stopped.is_set():
        try:
            return await open_pool(database_url, role, connections=connections)
        except _AWAY as exc:
            _logger.warning("database_is_away", error=type(exc).__name__, detail=str(exc))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _RETRY_SECONDS)
    raise SystemExit(0)


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
