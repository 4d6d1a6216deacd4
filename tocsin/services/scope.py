"""One change in one organization: a transaction that is tried again when somebody else was in its way."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg

from tocsin.database import Connection, organization_transaction

P = ParamSpec("P")
T = TypeVar("T")

# PostgreSQL has rolled these back, so nothing happens twice.
_TRIED_AGAIN = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Scope:
    """A transaction that sees one organization alone."""

    organization_id: int
    connection: Connection

    async def now(self) -> datetime:
        """The platform's time, in whole milliseconds. Ask after locking, so that edits follow one another."""
        now: datetime = await self.connection.fetchval("SELECT date_trunc('milliseconds', tocsin_now())")
        return now


def in_organization(
    work: Callable[Concatenate[Scope, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[int, P], Coroutine[Any, Any, T]]:
    """Make a function of a scope one of an organization's id, which runs in a transaction of its own."""

    @wraps(work)
    async def run(organization_id: int, /, *args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await attempt(organization_id, *args, **kwargs)
            except _TRIED_AGAIN:
                continue
        return await attempt(organization_id, *args, **kwargs)

    async def attempt(organization_id: int, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with organization_transaction(organization_id) as connection:
            return await work(Scope(organization_id, connection), *args, **kwargs)

    return run
