"""From a database into a backup: every table as it was at one instant, while all goes on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from importlib.metadata import version
from typing import Final

import asyncpg

from tocsin.backup.archive import ArchiveWriter, BackupError, Manifest
from tocsin.database import Connection
from tocsin.services.partitions import partition_days
from tocsin.services.secret_rotation import stored_key_ids

# What takes hours must not be ended, and a policy that hides a row must be an error.
SESSION: Final = {
    "application_name": "tocsin_backup",
    "timezone": "UTC",
    "row_security": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "30s",
}
# The rows of partitions come with their parent's; what is generated is generated anew.
_COLUMNS: Final = """
SELECT c.relname::text AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname !~ '^results_[0-9]{8}$' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY 1
"""
_REFERENCES: Final = """
SELECT DISTINCT c.conrelid::regclass::text AS referring, c.confrelid::regclass::text AS referred FROM pg_constraint c
WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND c.conrelid <> c.confrelid AND c.conparentid = 0
"""
_SEQUENCES: Final = """
SELECT sequencename::text AS name, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_MIGRATIONS: Final = "SELECT version FROM aerich ORDER BY id"


async def dump(database_url: str, archive: ArchiveWriter) -> Manifest:
    """Write everything that is committed now. Raises BackupError for a database without Tocsin's tables."""
    connection = await asyncpg.connect(database_url, server_settings=SESSION)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _require_tables(connection)
            tables = await tables_of(connection)
            for name in await _in_order(connection, tables):
                await _dump_table(connection, archive, name, tables[name])
            manifest = await _manifest(connection, archive)
    finally:
        await connection.close()
    archive.finish(manifest)
    return manifest


async def _require_tables(connection: Connection) -> None:
    if await connection.fetchval("SELECT to_regclass('public.aerich') IS NULL"):
        raise BackupError("the database holds no installation: name another one, or run `tocsin migrate` first")


async def tables_of(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The columns of all tables, by name."""
    return {row["name"]: tuple(row["columns"]) for row in await connection.fetch(_COLUMNS)}


async def _in_order(connection: Connection, tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Those first that others refer to."""
    sorter = TopologicalSorter[str](dict.fromkeys(sorted(tables), ()))
    for row in await connection.fetch(_REFERENCES):
        sorter.add(row["referring"], row["referred"])
    return list(sorter.static_order())


async def _dump_table(connection: Connection, archive: ArchiveWriter, name: str, columns: tuple[str, ...]) -> None:
    quoted = ", ".join(f'"{column}"' for column in columns)
    with archive.table(name, columns) as writer:
        await connection.copy_from_query(f'SELECT {quoted} FROM "{name}"', output=writer.write)  # noqa: S608 - its own


async def _manifest(connection: Connection, archive: ArchiveWriter) -> Manifest:
    return Manifest(
        version=version("tocsin"),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        migrations=tuple(row["version"] for row in await connection.fetch(_MIGRATIONS)),
        days=tuple(sorted(day.isoformat() for day in await partition_days(connection))),
        sequences={row["name"]: row["last_value"] for row in await connection.fetch(_SEQUENCES)},
        key_ids=tuple(sorted(await stored_key_ids(connection))),
        tables=archive.tables,
    )
