"""Backup and restore of an installation, without any program but this one: see docs/decisions/0016-backup.md."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tocsin.backup.archive import BackupError, Manifest, read_archive, written_archive
from tocsin.backup.dumping import dump
from tocsin.backup.restoring import load, refuse_newer
from tocsin.embedded import running_servers
from tocsin.embedded.folders import existing_home
from tocsin.installation import DATABASE_VARIABLE, own_servers
from tocsin.setting_values import read_database_url
from tocsin.settings import SettingsError
from tocsin.up.servers import opened_installation

__all__ = ["BackupError", "Manifest", "back_up", "default_file", "restore"]


def default_file() -> Path:
    """A name that says when, in the folder where one is."""
    return Path(f"tocsin-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup")


def back_up(file: Path, data_dir: Path, environment: Mapping[str, str]) -> Manifest:
    """Write everything into a file, be the installation running or not. Raises BackupError and SettingsError."""
    with written_archive(file) as archive, _database(data_dir, environment) as database_url:
        return asyncio.run(dump(database_url, archive))


def restore(file: Path, data_dir: Path, environment: Mapping[str, str], *, replace: bool = False) -> Manifest:
    """Fill an installation that holds nothing yet, or lose what it holds. Raises BackupError and SettingsError."""
    with read_archive(file) as archive:
        refuse_newer(file, archive)
        own = _own_database(environment)
        if own is not None:
            asyncio.run(load(own, archive, replace=replace))
            return archive.manifest
        with opened_installation(data_dir, None) as installation:
            asyncio.run(load(installation.servers.database_url, archive, replace=replace))
        return archive.manifest


@contextmanager
def _database(data_dir: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Where the database answers: the one that is named, that of a running installation, or one that is started."""
    if own := _own_database(environment):
        yield own
    elif running := running_servers(data_dir):
        yield running.database_url
    else:
        _require_data(data_dir)
        with opened_installation(data_dir, None) as installation:
            yield installation.servers.database_url


def _require_data(data_dir: Path) -> None:
    if not (existing_home(data_dir.expanduser().absolute()) / "postgres").exists():
        raise SettingsError(
            f"{DATABASE_VARIABLE} is not set, and {data_dir} is no data folder of `tocsin up`; "
            "name its folder with --data-dir, or set the variable"
        )


def _own_database(environment: Mapping[str, str]) -> str | None:
    """The database that the environment names. Redis is not asked for: it holds nothing that would be missed."""
    url = environment.get(DATABASE_VARIABLE)
    if not url:
        # Redis alone is a mistake, and embedded servers are not meant.
        own_servers(environment)
        return None
    try:
        return read_database_url(url)
    except ValueError as exc:
        raise SettingsError(f"{DATABASE_VARIABLE} {exc}") from None
