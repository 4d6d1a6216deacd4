"""Whether the platform is ready, and if not, what is missing and what helps."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tocsin.clock import PLAN_LEAD
from tocsin.database import Connection, Role, session_settings
from tocsin.schema_version import missing_migrations
from tocsin.settings import Servers

ANSWER_SECONDS: Final = 1.5
# Whoever asks more often gets the answer before: a look costs a connection.
REMEMBERED_SECONDS: Final = 1.0
# The next tick is planned ahead of its second, so a tick this old means that nobody plans.
OLDEST_TICK: Final = timedelta(seconds=10)
# Workers look for work every second, and hold it before it is due.
OLDEST_UNCLAIMED: Final = timedelta(seconds=5)
# Readings of a clock differ by the time that they take.
CLOCK_STEP: Final = timedelta(milliseconds=500)


class State(StrEnum):
    """`DEGRADED` says that something is wrong, and that everything works nevertheless."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not ready"


@dataclass(frozen=True)
class Finding:
    """What was found of one part of the platform; the message says what is wrong and what helps."""

    state: State = State.READY
    message: str = ""


@dataclass(frozen=True)
class Ledger:
    """Numbers of the ledger, at `database_at` on the database's clock."""

    database_at: datetime
    newest_tick_at: datetime | None
    oldest_undone_tick_at: datetime | None
    oldest_unclaimed_tick_at: datetime | None
    undone_batches: int


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
        (database, ledger), redis = await asyncio.gather(
            _look_at_database(self._servers.database_url), _look_at_redis(self._servers.redis_url)
        )
        return Report({**database, "redis": redis}, ledger)


async def _look_at_redis(redis_url: str) -> Finding:
    redis = Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        async with asyncio.timeout(ANSWER_SECONDS), redis:
            await redis.ping()
    except (RedisError, OSError, TimeoutError) as exc:
        return Finding(
            State.DEGRADED,
            f"Redis does not answer ({type(exc).__name__}); probes and live updates go on, some of them a second later",
        )
    return Finding()


async def _look_at_database(database_url: str) -> tuple[dict[str, Finding], Ledger | None]:
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _connected(database_url) as connection:
            missing = await missing_migrations(connection)
            ledger = None if missing else await _read_ledger(connection)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        # Not the message, which anybody could read: it may name hosts and users.
        away = f"the database does not answer ({type(exc).__name__}); check that it runs"
        return {"database": Finding(State.NOT_READY, away)}, None
    return {"database": Finding(), "migrations": _judge_migrations(missing), **_judge_ledger(ledger)}, ledger


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


async def _read_ledger(connection: Connection) -> Ledger:
    row = await connection.fetchrow("SELECT * FROM tocsin_ledger_health()")
    assert row is not None  # noqa: S101 - an aggregate always has one row
    return Ledger(**row)


def _judge_migrations(missing: list[str]) -> Finding:
    if not missing:
        return Finding()
    return Finding(State.NOT_READY, f"{len(missing)} migrations are not applied; run `tocsin migrate`")


def _judge_ledger(ledger: Ledger | None) -> dict[str, Finding]:
    if ledger is None:
        return {}
    return {
        "scheduler": _judge_scheduler(ledger),
        "worker": _judge_worker(ledger),
        "clock": _judge_clock(ledger),
    }


def _judge_scheduler(ledger: Ledger) -> Finding:
    if ledger.newest_tick_at is None:
        return Finding(State.NOT_READY, "no tick was ever planned; check that a scheduler runs")
    age = ledger.database_at - ledger.newest_tick_at
    if age > OLDEST_TICK:
        return Finding(
            State.NOT_READY, f"no tick was planned for {age.total_seconds():.0f} s; check that a scheduler runs"
        )
    return Finding()


def _judge_worker(ledger: Ledger) -> Finding:
    if ledger.oldest_unclaimed_tick_at is None:
        return Finding()
    age = ledger.database_at - ledger.oldest_unclaimed_tick_at
    if age > OLDEST_UNCLAIMED:
        return Finding(
            State.NOT_READY, f"nobody took the work of {age.total_seconds():.0f} s ago; check that a worker runs"
        )
    return Finding()


def _judge_clock(ledger: Ledger) -> Finding:
    if ledger.newest_tick_at is None:
        return Finding()
    behind = ledger.newest_tick_at - PLAN_LEAD - ledger.database_at
    if behind > CLOCK_STEP:
        return Finding(
            State.DEGRADED,
            "the database's clock was set back; the platform's is held until it has caught up",
        )
    return Finding()
