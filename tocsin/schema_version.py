"""Which migrations this version brings, and which of them a database lacks."""

from pathlib import Path

from tocsin.database import Connection


def migrations_folder() -> Path:
    """Beside the package when installed, at the top of the repository in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


async def missing_migrations(connection: Connection) -> list[str]:
    """The names of the migrations that are still to be applied; none where the database is of a newer version.

    For the API's role or the owner. A database that was never migrated lacks them all.
    """
    if not await connection.fetchval("SELECT to_regproc('tocsin_applied_migrations') IS NOT NULL"):
        return shipped_migrations()
    rows = await connection.fetch("SELECT * FROM tocsin_applied_migrations()")
    applied = {row[0] for row in rows}
    return [name for name in shipped_migrations() if name not in applied]


def shipped_migrations() -> list[str]:
    """The names of all that this version brings, in their order."""
    files = (migrations_folder() / "models").glob("[0-9]*_*.py")
    return sorted((file.name for file in files), key=lambda name: int(name.partition("_")[0]))
