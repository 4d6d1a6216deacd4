"""Backup and restore: a file holds everything, and an empty installation becomes what it was."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.embedded.conftest import open_folder
from tests.services.conftest import NOON
from tocsin.database import Role
from tocsin.embedded import embedded_servers
from tocsin.migrate import migrate
from tocsin.services.partitions import ensure_partitions


def tocsin(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    command = [sys.executable, "-m", "tocsin.cli", *map(str, arguments)]
    return subprocess.run(command, env=own, capture_output=True, text=True, check=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tocsin backup` writes while the servers run."""
    folder = tmp_path_factory.mktemp("backup")
    with embedded_servers(folder / "data", fast=True) as servers:
        asyncio.run(fill(servers.database_url))
        made = tocsin("backup", folder / "tocsin.dump", "--data-dir", folder / "data")
        assert made.returncode == 0, made.stderr
        again = tocsin("backup", folder / "tocsin.dump", "--data-dir", folder / "data")
        assert "exists already" in again.stderr
    return folder / "tocsin.dump"


async def fill(database_url: str) -> None:
    await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO organizations (id, name) VALUES (1, 'one')")
    await connection.execute("INSERT INTO sites (organization_id, name) VALUES (1, 'kept')")
    await ensure_partitions(connection, NOON)
    await connection.close()


async def sites_of(database_url: str, organization_id: str) -> list[str]:
    """What the API's role sees with and without an organization: row-level security comes back as well."""
    settings = {"role": Role.API.value, "tocsin.organization_id": organization_id}
    connection = await asyncpg.connect(database_url, server_settings=settings)
    names = [row["name"] for row in await connection.fetch("SELECT name FROM sites")]
    await connection.close()
    return names


def test_an_empty_installation_becomes_what_it_was(backup: Path, folder: Path) -> None:
    restored = tocsin("restore", backup, "--data-dir", folder / "data")
    assert restored.returncode == 0, restored.stderr
    with embedded_servers(folder / "data") as servers:
        assert asyncio.run(sites_of(servers.database_url, "1")) == ["kept"]
        assert asyncio.run(sites_of(servers.database_url, "")) == []
        assert asyncio.run(migrate(servers.database_url)) == []
    assert "holds data already" in tocsin("restore", backup, "--data-dir", folder / "data").stderr


def test_a_backup_is_for_its_owner_alone(backup: Path) -> None:
    assert backup.stat().st_mode & 0o077 == 0


def test_a_backup_without_a_running_installation_says_so(tmp_path: Path) -> None:
    refused = tocsin("backup", tmp_path / "tocsin.dump", "--data-dir", tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_what_is_no_backup_is_refused(folder: Path) -> None:
    (folder / "other").write_text("no backup")
    assert "pg_restore" in tocsin("restore", folder / "other", "--data-dir", folder / "data").stderr
    assert "is not a file" in tocsin("restore", folder / "nothing", "--data-dir", folder / "data").stderr
