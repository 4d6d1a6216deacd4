"""From a backup into a database: all of it in one transaction, or nothing."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Final

import asyncpg

from tocsin.backup.archive import ArchiveReader, BackupError, newer
from tocsin.backup.dumping import SESSION, tables_of
from tocsin.database import Connection
from tocsin.migrate import create_roles, migrate, refuse_superuser, run_migrations
from tocsin.schema_version import shipped_migrations
from tocsin.services.partitions import make_partition

_TABLES: Final = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
_HOLDS_DATA: Final = "SELECT EXISTS (SELECT FROM organizations)"
# As PostgreSQL makes it, with what it grants there.
_ANEW: Final = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC"
# What happened after the backup had these numbers, and subscribers know it: they are told that their cursors expired,
# and nobody goes on from a place that means something else now.
_NEW_LOG: Final = "DELETE FROM events; UPDATE event_counters SET number = number + 4294967296"


def refuse_newer(file: Path, archive: ArchiveReader) -> None:
    """Raise BackupError for a backup with migrations that this version does not know."""
    if not set(archive.manifest.migrations) <= set(shipped_migrations()):
        raise BackupError(newer(file, archive.manifest.version))


async def load(database_url: str, archive: ArchiveReader, *, replace: bool) -> list[str]:
    """Fill a database, bring it to this version's schema, and return the names of the migrations for that.

    Raises BackupError when it holds data that shall not be replaced, or something else.
    """
    connection = await asyncpg.connect(database_url, server_settings=SESSION)
    try:
        await refuse_superuser(connection)
        async with connection.transaction():
            await _make_room(connection, replace=replace)
            await create_roles(connection)
            await run_migrations(connection, archive.manifest.migrations)
            await _fill(connection, archive)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return await migrate(database_url)


async def _make_room(connection: Connection, *, replace: bool) -> None:
    if not await connection.fetchval(_TABLES):
        return
    if await connection.fetchval("SELECT to_regclass('public.aerich') IS NULL"):
        raise BackupError("the database holds tables of something else: give Tocsin a database of its own")
    has_organizations = await connection.fetchval("SELECT to_regclass('public.organizations') IS NOT NULL")
    if not replace and has_organizations and await connection.fetchval(_HOLDS_DATA):
        raise BackupError(
            "this installation holds data already: restore into an empty one, as with --data-dir, "
            "or lose what it holds with --replace"
        )
    await connection.execute(_ANEW)


async def _fill(connection: Connection, archive: ArchiveReader) -> None:
    manifest = archive.manifest
    known = await tables_of(connection)
    if known != {name: table.columns for name, table in manifest.tables.items()}:
        raise BackupError("the backup does not fit the schema that it names: make another one with `tocsin backup`")
    for day in manifest.days:
        await make_partition(connection, date.fromisoformat(day))
    await connection.execute("TRUNCATE " + ", ".join(f'"{name}"' for name in known))
    for name, table in manifest.tables.items():
        await connection.copy_to_table(name, source=_chunks(archive, name), columns=table.columns)
    for name, value in manifest.sequences.items():
        await connection.execute("SELECT setval(to_regclass(quote_ident($1)), $2)", name, value)
    await connection.execute(_NEW_LOG)


async def _chunks(archive: ArchiveReader, name: str) -> AsyncIterator[bytes]:
    for chunk in archive.chunks(name):
        yield chunk
