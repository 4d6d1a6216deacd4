"""What `tocsin migrate` does to a database before the other processes work on it."""

import asyncio
import time
from typing import Final

import asyncpg

from tocsin.migrate import migrate
from tocsin.services import accounts

_CONNECT_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0
# What a database that is away, starting or full of connections raises; a wrong password is not among it.
_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
    TimeoutError,
)


async def initialize(database_url: str, *, bootstrap_token: str | None, wait_seconds: float) -> list[str]:
    """Migrate, and where no token was ever made, let this one open the organization `default`.

    Returns the names of what was applied. A database that is away is waited for. Safe from several processes at once.
    """
    await _wait_for_database(database_url, wait_seconds)
    applied = await migrate(database_url)
    if bootstrap_token is not None:
        await _store_first_token(database_url, bootstrap_token)
    return applied


async def _wait_for_database(database_url: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            return await _connect_once(database_url)
        except _AWAY:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(_RETRY_SECONDS)


async def _connect_once(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, timeout=_CONNECT_SECONDS)
    await connection.close()


async def _store_first_token(database_url: str, token: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await accounts.bootstrap(connection, token)
    finally:
        await connection.close()
