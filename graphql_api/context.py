"""What a resolver needs to know: who asks, and a connection that sees their organization alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import strawberry
from strawberry.dataloader import DataLoader

from tocsin.database import Connection, read_transaction
from tocsin.domain.errors import ForbiddenError
from tocsin.encryption import KeyRing
from tocsin.listening import url_of
from tocsin.models import TokenPermission
from tocsin.queue import Hint
from tocsin.rate_limit import RateLimiter
from tocsin.services import check_rows, history, incidents, locations
from tocsin.services.accounts import Principal
from tocsin.services.heartbeats import ShownHeartbeat, shown_heartbeats
from tocsin.settings import Receiver

if TYPE_CHECKING:
    from graphql_api.checks.types import Check
    from graphql_api.locations.types import CheckLocation

    UptimeLoader: TypeAlias = DataLoader[int, history.Uptime]
    LatencyLoader: TypeAlias = DataLoader[int, history.Latency]


DEFAULT_RECEIVER_URL = url_of(Receiver())


async def _ring_nowhere(_: Collection[int]) -> None:
    """For a process without Redis: nothing depends on a hint."""


def _hint_nobody(_: Hint) -> None:
    """The same for a run: workers look for it themselves."""


@dataclass(frozen=True, slots=True)
class Hints:
    """How others are told what a request brought: which organizations have news, which run waits for a worker."""

    ring: Callable[[Collection[int]], Awaitable[None]] = _ring_nowhere
    hint_run: Callable[[Hint], None] = _hint_nobody


@dataclass
class Context:
    """One operation. Its reads share one read-only transaction, which opens with the first of them."""

    principal: Principal
    request_id: str
    hints: Hints = field(default_factory=Hints)
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    keys: KeyRing = field(default_factory=lambda: KeyRing({}), repr=False)
    receiver_url: str = DEFAULT_RECEIVER_URL
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)
    _connection: Connection | None = field(default=None, repr=False)
    _now: datetime | None = field(default=None, repr=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Lend the connection to one resolver at a time: PostgreSQL takes one statement after the other."""
        async with self._lock:
            if self._connection is None:
                transaction = read_transaction(self.principal.organization_id)
                self._connection = await self._stack.enter_async_context(transaction)
            yield self._connection

    async def close(self) -> None:
        """End the read transaction; the next read opens another one, which sees what was committed meanwhile."""
        async with self._lock:
            self._connection = self._now = None
            # Nothing is lost with a transaction that only read.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await self._stack.aclose()
        self.checks.clear_all()
        self.incident_evidence.clear_all()
        self.check_locations.clear_all()
        self._uptimes.clear()
        self._latencies.clear()
        self.heartbeats.clear_all()

    async def begin_change(self) -> None:
        """Let a mutation begin. Raises ForbiddenError and RateLimitedError."""
        if self.principal.permission is TokenPermission.READ_ONLY:
            raise ForbiddenError("This token may only read.")
        self.rate_limiter.take(self.principal.token_id)
        # A connection for reading held while waiting for one to write with would starve everybody.
        await self.close()

    async def ring(self) -> None:
        """Say that the organization has news."""
        await self.hints.ring([self.principal.organization_id])

    async def now(self) -> datetime:
        """The platform's time, the same for the whole of a read transaction."""
        async with self.reading() as connection:
            if self._now is None:
                self._now = await connection.fetchval("SELECT tocsin_now()")
            return self._now

    @cached_property
    def checks(self) -> "DataLoader[int, Check | None]":
        """Checks by their keys, also deleted ones: all that one step of an operation needs, in one statement."""
        return DataLoader(load_fn=self._load_checks)

    async def _load_checks(self, keys: list[int]) -> "list[Check | None]":
        from graphql_api.checks.types import Check  # noqa: PLC0415 - types know the context

        async with self.reading() as connection:
            rows = {row["id"]: row for row in await check_rows.checks_by_key(connection, keys)}
        return [Check.from_row(rows[key]) if key in rows else None for key in keys]

    @cached_property
    def check_locations(self) -> "DataLoader[int, list[CheckLocation]]":
        """What the locations of checks show, by the checks' keys."""
        return DataLoader(load_fn=self._load_check_locations)

    async def _load_check_locations(self, keys: list[int]) -> "list[list[CheckLocation]]":
        from graphql_api.locations.types import CheckLocation  # noqa: PLC0415 - types know the context

        found: dict[int, list[CheckLocation]] = {key: [] for key in keys}
        async with self.reading() as connection:
            for row in await locations.location_states(connection, keys):
                found[row["check_id"]].append(CheckLocation.from_row(row))
        return [found[key] for key in keys]

    def uptimes(self, since: datetime, until: datetime) -> "UptimeLoader":
        """Uptimes by the keys of checks."""

        async def load(keys: list[int]) -> list[history.Uptime]:
            async with self.reading() as connection:
                found = await history.uptimes(connection, keys, since, until)
            return [found[key] for key in keys]

        return self._uptimes.setdefault((since, until), DataLoader(load_fn=load))

    def latencies(self, since: datetime, until: datetime) -> "LatencyLoader":
        """Latencies by the keys of checks."""

        async def load(keys: list[int]) -> list[history.Latency]:
            async with self.reading() as connection:
                found = await history.latencies(connection, keys, since, until)
            return [found[key] for key in keys]

        return self._latencies.setdefault((since, until), DataLoader(load_fn=load))

    @cached_property
    def heartbeats(self) -> "DataLoader[int, ShownHeartbeat | None]":
        """What reports in, by the keys of checks."""
        return DataLoader(load_fn=self._load_heartbeats)

    async def _load_heartbeats(self, keys: list[int]) -> "list[ShownHeartbeat | None]":
        async with self.reading() as connection:
            found = await shown_heartbeats(connection, keys)
        return [found.get(key) for key in keys]

    @cached_property
    def incident_evidence(self) -> "DataLoader[int, str | None]":
        """What was kept for incidents, as JSON, by their keys; it is large, and read where it is asked for."""
        return DataLoader(load_fn=self._load_incident_evidence)

    async def _load_incident_evidence(self, keys: list[int]) -> list[str | None]:
        async with self.reading() as connection:
            found = await incidents.evidence_by_key(connection, keys)
        return [found.get(key) for key in keys]

    @cached_property
    def _uptimes(self) -> "dict[tuple[datetime, datetime], UptimeLoader]":
        return {}

    @cached_property
    def _latencies(self) -> "dict[tuple[datetime, datetime], LatencyLoader]":
        return {}


Info: TypeAlias = strawberry.Info[Context, None]
