"""What the engine's processes have in common: they run until a signal comes, and end when a part of them fails."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import asyncpg
import structlog

from tocsin.database import Pool, Role, open_pool

_RETRY_SECONDS = 1.0

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


async def open_pool_when_ready(database_url: str, role: Role | None, *, connections: int) -> Pool:
    """Connect, however long the database is away; say so while it is."""
    while True:
        try:
            return await open_pool(database_url, role, connections=connections)
        except (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, OSError, TimeoutError) as exc:
            _logger.warning("database_is_away", error=type(exc).__name__, detail=str(exc))
            await asyncio.sleep(_RETRY_SECONDS)
