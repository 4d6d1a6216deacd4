"""Connections to PostgreSQL, each process in the role that its work needs.

The API works through Tortoise and sees one organization a transaction; the engine (scheduler, worker, sweeper) works
through asyncpg alone, on the tables that it needs; the operator is a member of the API's role, with rights of its own
on what it keeps of Kubernetes; the receiver, which serves the public, stores reports and reads nothing that is secret.
Row-level security holds all to it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import asyncpg
from tortoise import Tortoise
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:  # generic for the type checker alone
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

MODELS = ("tocsin.models", "aerich.models")


class Role(StrEnum):
    """The roles that migrations make."""

    API = "tocsin_api"
    ENGINE = "tocsin_engine"
    OPERATOR = "tocsin_operator"
    RECEIVER = "tocsin_receiver"


# A process that is frozen in mid-transaction must not freeze others, so PostgreSQL ends its transaction.
_SESSION = {
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "1s",
    "statement_timeout": "15s",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
}


def session_settings(role: Role | None) -> dict[str, str]:
    """The settings of a session; without a role it keeps the rights of the user who logs in."""
    if role is None:
        return {**_SESSION, "application_name": "tocsin_migrator"}
    return {**_SESSION, "application_name": role.value, "role": role.value}


def columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """Turn rows into the arrays that `unnest` takes, also when there are none."""
    return [[row[index] for row in rows] for index in range(width)]


async def _keep_session(connection: Connection) -> None:
    """Nothing to reset: settings are made for a transaction or for the life of a connection, never between."""


class DsnClient(AsyncpgDBClient):
    """Hands the DSN to asyncpg as it stands: Tortoise's own parser refuses `sslmode` and lists of hosts."""

    async def create_pool(self, **options: Any) -> Pool:  # noqa: ANN401 - Tortoise's own signature
        for name in ("host", "port", "user", "password", "database"):
            options.pop(name)
        pool: Pool = await asyncpg.create_pool(**options, reset=_keep_session)
        return pool


# The name by which Tortoise finds the client of an engine.
client_class = DsnClient


async def open_pool(database_url: str, role: Role | None, *, connections: int = 8) -> Pool:
    """Connect in a role, without the ORM."""
    return await asyncpg.create_pool(
        database_url, min_size=1, max_size=connections, server_settings=session_settings(role), reset=_keep_session
    )


def orm_configuration(database_url: str, role: Role | None, *, connections: int = 8) -> dict[str, Any]:
    """Tortoise's configuration for a session in a role."""
    credentials = {
        "dsn": database_url,
        "minsize": 1,
        "maxsize": connections,
        "server_settings": session_settings(role),
    }
    return {
        "connections": {"default": {"engine": __name__, "credentials": credentials}},
        "apps": {"models": {"models": list(MODELS), "default_connection": "default"}},
        "use_tz": True,
        "timezone": "UTC",
    }


@asynccontextmanager
async def orm(database_url: str, role: Role | None = Role.API, *, connections: int = 8) -> AsyncIterator[None]:
    """Open Tortoise for the whole process, and close it again."""
    configuration = orm_configuration(database_url, role, connections=connections)
    context = await Tortoise.init(config=configuration, _enable_global_fallback=True)
    async with context:
        yield


@asynccontextmanager
async def organization_transaction(organization_id: int) -> AsyncIterator[Connection]:
    """One transaction that sees this organization alone, for the models and for SQL alike.

    The connection takes one statement at a time, as every connection to PostgreSQL does.
    """
    async with in_transaction() as transaction:
        # Not held: the models lock it for each of their own statements.
        async with transaction.acquire_connection() as connection:
            pass
        await connection.execute("SELECT set_config('tocsin.organization_id', $1, true)", str(organization_id))
        yield connection


@asynccontextmanager
async def read_transaction(organization_id: int) -> AsyncIterator[Connection]:
    """One moment of this organization, for SQL alone. It may be left in another task than it was entered in."""
    async with (
        get_connection("default").acquire_connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute("SELECT set_config('tocsin.organization_id', $1, true)", str(organization_id))
        yield connection


@asynccontextmanager
async def no_organization() -> AsyncIterator[Connection]:
    """A connection that sees no row of any organization: for the functions that need none."""
    async with get_connection("default").acquire_connection() as connection:
        yield connection
