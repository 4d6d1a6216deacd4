"""Bring a database to this version's schema: roles first, then aerich's migrations, one process at a time."""

import asyncio
import os
import runpy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from aerich import Command

from tocsin.database import Connection, Role, orm_configuration
from tocsin.schema_version import migrations_folder

# What aerich's own command line reads, named in aerich.ini.
TORTOISE_ORM: Final = orm_configuration(os.environ.get("TOCSIN_DATABASE_URL", "postgresql://"), None)

# Any number: the lock that lets one process migrate while the others wait.
_MIGRATION_LOCK: Final = 7_408_267
_MEMBERSHIP: Final = f"GRANT {Role.API} TO {Role.OPERATOR}"


class MigrationError(Exception):
    """The database cannot be migrated; the message says what an administrator has to do."""


async def migrate(database_url: str) -> list[str]:
    """Apply what is missing and return the names of what was applied. Safe to run from several processes at once."""
    async with _alone(database_url) as connection:
        await refuse_superuser(connection)
        await create_roles(connection)
        # In a task of its own: aerich leaves Tortoise's context behind in the one that it ran in.
        return await asyncio.create_task(_apply_migrations(database_url))


@asynccontextmanager
async def _alone(database_url: str) -> AsyncIterator[Connection]:
    connection: Connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        yield connection
    finally:
        await connection.close()


async def refuse_superuser(connection: Connection) -> None:
    """Raises MigrationError for a user whom row-level security does not hold."""
    if await connection.fetchval("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"):
        raise MigrationError(
            "TOCSIN_DATABASE_URL logs in as a user whom row-level security does not hold; make one that owns the "
            "database instead: CREATE ROLE tocsin LOGIN CREATEROLE; ALTER DATABASE ... OWNER TO tocsin"
        )


async def create_roles(connection: Connection) -> None:
    """Make what is missing of the roles that processes work in. Raises MigrationError."""
    try:
        for role in Role:
            await _create_role(connection, role)
        await _let_the_operator_do_what_the_api_does(connection)
    except asyncpg.InsufficientPrivilegeError as exc:
        user = await connection.fetchval("SELECT current_user")
        roles = "".join(f'CREATE ROLE {role} NOLOGIN; GRANT {role} TO "{user}"; ' for role in Role)
        statements = f"{roles}{_MEMBERSHIP};"
        raise MigrationError(f"the right to make roles is missing; a DBA must run: {statements}") from exc


async def _create_role(connection: Connection, role: Role) -> None:
    if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    if not await connection.fetchval("SELECT pg_has_role(current_user, $1, 'SET')", role):
        await connection.execute(f"GRANT {role} TO CURRENT_USER")


async def _let_the_operator_do_what_the_api_does(connection: Connection) -> None:
    if not await connection.fetchval("SELECT pg_has_role($1, $2, 'USAGE')", Role.OPERATOR, Role.API):
        await connection.execute(_MEMBERSHIP)


async def run_migrations(connection: Connection, names: Sequence[str]) -> None:
    """Run these in the caller's transaction, on a database without a table, and note none of them."""
    for name in names:
        path = migrations_folder() / "models" / name
        statements: str = await runpy.run_path(str(path))["upgrade"](None)
        # Nobody is there to be blocked, and concurrently nothing is made in a transaction.
        await connection.execute(statements.replace(" CONCURRENTLY", ""))


async def _apply_migrations(database_url: str) -> list[str]:
    configuration = orm_configuration(database_url, None)
    # A migration may wait for what is under way.
    settings = configuration["connections"]["default"]["credentials"]["server_settings"]
    settings.update(statement_timeout="0", idle_in_transaction_session_timeout="0", lock_timeout="30s")
    command = Command(tortoise_config=configuration, location=str(migrations_folder()))
    async with command:
        return await command.upgrade(run_in_transaction=True)
