"""Whether the platform is ready, and if not, what is missing and what helps."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tocsin.database import Connection, Role, session_settings
from tocsin.ledger_health import Finding, Ledger, State, judge_ledger, read_ledger
from tocsin.schema_version import missing_migrations
from tocsin.settings import Servers

ANSWER_SECONDS: Final = 1.5
# Whoever asks more often gets the answer before: a look costs a connection.
REMEMBERED_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Report:
    """What was found of every part. `ledger` is None while the database does not tell."""

    parts: Mapping[str, Finding]
    ledger: Ledger | None = None

    @property
    def state(self) -> State:
        states = {finding.state for finding in self.parts.values()}
        return next(state for state in (State.NOT_READY, State.DEGRADED, State.READY) if state in states)


class Readiness:
    """Looks at the platform when asked, once for all who ask at the same time."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._looked_at = 0.0
        self._look: asyncio.Task[Report] | None = None

    async def report(self) -> Report:
        """What is ready now, or was a second ago. Takes less than two seconds, whatever hangs."""
        if self._look is None or (self._look.done() and time.monotonic() - self._looked_at > REMEMBERED_SECONDS):
            self._looked_at = time.monotonic()
            self._look = asyncio.create_task(self._look_now())
        return await asyncio.shield(self._look)

    async def _look_now(self) -> Report:
        (parts, ledger), redis = await asyncio.gather(
            _look_at_database(self._servers.database_url), look_at_redis(self._servers.redis_url)
        )
        return Report({**parts, "redis": redis}, ledger)


async def look_at_redis(redis_url: str) -> Finding:
    """Nothing depends on Redis, so without it the platform is degraded at most."""
    redis = Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        async with asyncio.timeout(ANSWER_SECONDS), redis:
            await redis.ping()
    except (RedisError, OSError, TimeoutError) as exc:
        reason = f"Redis does not answer ({type(exc).__name__})"
        return Finding(State.DEGRADED, f"{reason}; everything goes on, some of it up to a second later")
    return Finding()


async def _look_at_database(database_url: str) -> tuple[dict[str, Finding], Ledger | None]:
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _connected(database_url) as connection:
            if missing := await missing_migrations(connection):
                return {"database": Finding(), "migrations": judge_migrations(missing)}, None
            ledger = await read_ledger(connection)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        return {"database": Finding(State.NOT_READY, _explain(exc))}, None
    return {"database": Finding(), "migrations": Finding(), **judge_ledger(ledger)}, ledger


def _explain(exc: Exception) -> str:
    """Not in the database's own words, which anybody could read: they may name hosts and users."""
    if isinstance(exc, asyncpg.DiskFullError):
        return "the database's disk is full; make room on it"
    return f"the database does not answer ({type(exc).__name__}); check that it runs"


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[Connection]:
    """A connection of its own: it tells whether the database answers also when all others are busy."""
    connection: Connection = await asyncpg.connect(database_url, server_settings=session_settings(Role.API))
    try:
        yield connection
    except BaseException:
        connection.terminate()
        raise
    await connection.close()


def judge_migrations(missing: list[str]) -> Finding:
    if not missing:
        return Finding()
    return Finding(State.NOT_READY, f"not applied: {', '.join(missing)}; run `tocsin migrate`")
