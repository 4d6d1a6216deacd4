"""Backup and restore: a file holds everything, and an empty installation becomes what it was."""

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import tocsin.migrate
import tocsin.schema_version
from tests.conftest import with_database
from tests.embedded.conftest import open_folder
from tests.services.conftest import NOON
from tocsin.backup import BackupError, back_up, dumping, restore
from tocsin.backup.archive import written_archive
from tocsin.backup.dumping import tables_of
from tocsin.database import Role
from tocsin.embedded import embedded_servers
from tocsin.encryption import KeyRing, named_secret_place
from tocsin.migrate import migrate
from tocsin.services.partitions import ensure_partitions
from tocsin.settings import Servers

REPOSITORY = Path(__file__).parents[1]
KEYS = KeyRing({"k1": bytes(32)})
_FILL = """
INSERT INTO organizations (id, name) VALUES (1, 'one');
INSERT INTO event_counters (organization_id, number) VALUES (1, 300);
INSERT INTO events SELECT 1, 300, now(), '{}', '{}', '{}', '{}', '{}';
INSERT INTO sites (id, organization_id, name) VALUES (1, 1, E'kept \\\\ "quoted"\\n'), (41, 1, 'another');
SELECT setval(pg_get_serial_sequence('sites', 'id'), 41);
INSERT INTO checks (id, organization_id, site_id, name, kind, target, interval_seconds, timeout_ms, failure_threshold,
                    success_threshold) VALUES (7, 1, 1, 'front', 'http', '{"url": "http://a/"}', 60, 1000, 3, 2);
INSERT INTO check_versions (check_id, revision, organization_id, valid_from, kind, target, interval_ms, timeout_ms,
                            failure_threshold, success_threshold, paused)
SELECT id, 1, 1, now(), kind, target, 60000, timeout_ms, 3, 2, false FROM checks;
INSERT INTO results (check_id, slot, started_at, organization_id, revision, duration_us, location_id, outcome, address)
VALUES (7, '2026-11-21 12:00Z', '2026-11-21 12:00Z', 1, 1, 12, 1, 1, '::1'),
       (7, '2026-11-22 12:00Z', '2026-11-22 12:00Z', 1, 1, 12, 1, 1, NULL);
"""


def run(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    command = [sys.executable, "-m", "tocsin.cli", *map(str, arguments)]
    return subprocess.run(
        command, env={**own, **settings}, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )


async def fill(database_url: str) -> None:
    await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    await ensure_partitions(connection, NOON)
    await connection.execute(_FILL)
    sealed = KEYS.seal("swordfish", named_secret_place(1, "api-token"))
    await connection.execute("INSERT INTO secrets (organization_id, name, sealed) VALUES (1, 'api-token', $1)", sealed)
    await connection.close()


async def contents(database_url: str) -> dict[str, list[str]]:
    """Every row of every table, but the log of events, which begins anew."""
    connection = await asyncpg.connect(database_url)
    try:
        names = sorted(set(await tables_of(connection)) - {"events", "event_counters"})
        return {
            name: sorted(str(row[0]) for row in await connection.fetch(f"SELECT t::text FROM {name} t"))
            for name in names
        }
    finally:
        await connection.close()


async def ask(database_url: str, query: str, role: Role | None = None, organization_id: str = "") -> Any:
    settings = {} if role is None else {"role": role.value, "tocsin.organization_id": organization_id}
    connection = await asyncpg.connect(database_url, server_settings=settings)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def filled(servers: Servers, database_url: str) -> str:
    """A database with something in every kind of column."""
    asyncio.run(fill(database_url))
    return database_url


@pytest.fixture
def empty(servers: Servers) -> Iterator[str]:
    """A database that was never migrated."""
    name = f"tocsin_empty_{os.getpid()}"
    asyncio.run(ask(servers.database_url, f"CREATE DATABASE {name}"))
    yield with_database(servers.database_url, name)
    asyncio.run(ask(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)"))


def own(database_url: str) -> Mapping[str, str]:
    return {"TOCSIN_DATABASE_URL": database_url}


@pytest.fixture
def backup(filled: str, tmp_path: Path) -> Path:
    back_up(tmp_path / "tocsin.backup", tmp_path, own(filled))
    return tmp_path / "tocsin.backup"


def test_an_empty_database_becomes_what_the_other_was(backup: Path, filled: str, empty: str) -> None:
    restore(backup, backup.parent, own(empty))
    assert asyncio.run(contents(empty)) == asyncio.run(contents(filled))


def test_row_level_security_and_rights_come_back(backup: Path, empty: str) -> None:
    restore(backup, backup.parent, own(empty))
    count = "SELECT count(*) FROM sites"
    assert asyncio.run(ask(empty, count, Role.API, "1")) == 2
    assert asyncio.run(ask(empty, count, Role.API)) == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(ask(empty, "SELECT sealed FROM secrets", Role.API, "1"))


def test_what_is_made_next_has_a_number_of_its_own(backup: Path, empty: str) -> None:
    restore(backup, backup.parent, own(empty))
    insert = "INSERT INTO sites (organization_id, name) VALUES (1, 'new') RETURNING id"
    assert asyncio.run(ask(empty, insert, Role.API, "1")) == 42


def test_every_day_of_results_has_its_partition_and_its_rows(backup: Path, empty: str) -> None:
    restore(backup, backup.parent, own(empty))
    days = "SELECT string_agg(tableoid::regclass::text, ' ' ORDER BY slot) FROM results"
    assert asyncio.run(ask(empty, days)) == "results_20261121 results_20261122"


def test_a_position_in_the_lost_log_of_events_means_nothing_any_more(backup: Path, empty: str) -> None:
    restore(backup, backup.parent, own(empty))
    assert asyncio.run(ask(empty, "SELECT number FROM event_counters")) == 300 + 2**32
    assert asyncio.run(ask(empty, "SELECT count(*) FROM events")) == 0


def test_secrets_stay_encrypted_and_the_keys_are_named(backup: Path, empty: str) -> None:
    assert restore(backup, backup.parent, own(empty)).key_ids == ("k1",)
    with zipfile.ZipFile(backup) as archive:
        assert not [name for name in archive.namelist() if b"swordfish" in archive.read(name)]
    sealed = asyncio.run(ask(empty, "SELECT sealed FROM secrets"))
    assert KEYS.open(sealed, named_secret_place(1, "api-token")) == "swordfish"


def test_a_backup_is_of_one_instant(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes while it is made is in all of it or in nothing."""
    dump_table = dumping._dump_table

    async def write_and_dump(connection: Any, archive: Any, name: str, columns: Any) -> None:
        await dump_table(connection, archive, name, columns)
        if name == "organizations":
            await ask(filled, "INSERT INTO sites (organization_id, name) VALUES (1, 'meanwhile')")

    monkeypatch.setattr(dumping, "_dump_table", write_and_dump)
    back_up(tmp_path / "tocsin.backup", tmp_path, own(filled))
    with zipfile.ZipFile(tmp_path / "tocsin.backup") as archive:
        assert b"meanwhile" not in archive.read("tables/sites.copy")
    assert asyncio.run(ask(filled, "SELECT count(*) FROM sites WHERE name = 'meanwhile'")) == 1


def test_a_backup_is_for_its_owner_alone_and_overwrites_nothing(backup: Path, filled: str) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]
    with pytest.raises(BackupError, match="exists already: name another file"):
        back_up(backup, backup.parent, own(filled))


def test_a_full_disk_leaves_no_half_backup(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"), written_archive(tmp_path / "tocsin.backup"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_the_remedy_and_leaves_nothing(filled: str, tmp_path: Path) -> None:
    """As a limit of 1 KiB for each file has it."""
    command = [sys.executable, "-m", "tocsin.cli", "backup", str(tmp_path / "tocsin.backup")]
    refused = subprocess.run(
        ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *command],
        env={**os.environ, "TOCSIN_DATABASE_URL": filled},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert "cannot write" in refused.stderr
    assert "make room on the disk, or write elsewhere" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(filled: str, tmp_path: Path) -> None:
    refused = run("backup", tmp_path / "nowhere" / "tocsin.backup", TOCSIN_DATABASE_URL=filled)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "nowhere" in refused.stderr


def test_an_installation_that_holds_data_is_kept_unless_told(backup: Path, filled: str) -> None:
    asyncio.run(ask(filled, "INSERT INTO sites (organization_id, name) VALUES (1, 'later')"))
    with pytest.raises(BackupError, match="holds data already: restore into an empty one"):
        restore(backup, backup.parent, own(filled))
    assert asyncio.run(ask(filled, "SELECT count(*) FROM sites")) == 3
    restore(backup, backup.parent, own(filled), replace=True)
    assert asyncio.run(ask(filled, "SELECT count(*) FROM sites")) == 2


def test_a_database_of_something_else_is_left_alone(backup: Path, empty: str) -> None:
    asyncio.run(ask(empty, "CREATE TABLE theirs ()"))
    with pytest.raises(BackupError, match="holds tables of something else"):
        restore(backup, backup.parent, own(empty), replace=True)


def test_a_restore_that_fails_changes_nothing(backup: Path, filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.backup.restoring._NEW_LOG", "SELECT 1 / 0")
    before = asyncio.run(contents(filled))
    with pytest.raises(asyncpg.DivisionByZeroError):
        restore(backup, backup.parent, own(filled), replace=True)
    assert asyncio.run(contents(filled)) == before


def truncated(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def flipped(whole: bytes) -> bytes:
    """One bit is another one, among the rows of a table."""
    place = whole.index(b"tables/organizations.copy") + 50
    return whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


def emptied(_: bytes) -> bytes:
    return b""


def replaced(_: bytes) -> bytes:
    return b"PGDMP no backup of ours" * 100


@pytest.mark.parametrize("damage", [truncated, flipped, emptied, replaced])
def test_what_is_no_whole_backup_is_refused_before_anything_is_touched(backup: Path, filled: str, damage: Any) -> None:
    backup.write_bytes(damage(backup.read_bytes()))
    before = asyncio.run(contents(filled))
    with pytest.raises(BackupError, match="is no backup, or not a whole one"):
        restore(backup, backup.parent, own(filled), replace=True)
    assert asyncio.run(contents(filled)) == before


def rewritten(backup: Path, **changes: object) -> Path:
    """The backup with another manifest."""
    changed = backup.with_name("changed.backup")
    with zipfile.ZipFile(backup) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "manifest.json":
                content = json.dumps({**json.loads(content), **changes}).encode()
            other.writestr(name, content)
    return changed


@pytest.mark.parametrize(
    "changes", [{"migrations": ["0_20261121000000_init.py", "9_later.py"]}, {"format": 2, "tables": []}]
)
def test_a_backup_of_a_newer_version_is_refused(backup: Path, empty: str, changes: dict[str, object]) -> None:
    with pytest.raises(BackupError, match=r"was written by a newer Tocsin, 9\.0: restore it with that version"):
        restore(rewritten(backup, version="9.0", **changes), backup.parent, own(empty))


@pytest.mark.parametrize("name", ["x; DROP TABLE sites", "../../../etc/passwd"])
def test_a_backup_with_tables_of_its_own_is_refused(backup: Path, empty: str, name: str) -> None:
    with pytest.raises(BackupError):
        restore(rewritten(backup, tables={name: {"columns": [], "sha256": ""}}), backup.parent, own(empty))


def test_a_backup_of_an_older_version_is_brought_to_this_one(
    backup: Path, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations = tmp_path / "migrations"
    shutil.copytree(tocsin.schema_version.migrations_folder(), migrations, ignore=shutil.ignore_patterns("__pycache__"))
    (migrations / "models" / "1_20270101000000_more.py").write_text(
        "async def upgrade(_):\n    return \"ALTER TABLE sites ADD COLUMN more text NOT NULL DEFAULT 'more'\"\n"
        "async def downgrade(_):\n    return ''\n"
    )
    for module in (tocsin.migrate, tocsin.schema_version):
        monkeypatch.setattr(module, "migrations_folder", lambda: migrations)
    restore(backup, backup.parent, own(empty))
    assert asyncio.run(ask(empty, "SELECT DISTINCT more FROM sites")) == "more"
    assert asyncio.run(ask(empty, "SELECT count(*) FROM aerich")) == 2


def test_commands_do_it_on_embedded_servers_that_run_and_on_those_that_do_not(folder: Path) -> None:
    with embedded_servers(folder / "data", fast=True) as running:
        asyncio.run(fill(running.database_url))
        before = asyncio.run(contents(running.database_url))
        made = run("backup", folder / "running.backup", "--data-dir", folder / "data")
        assert made.returncode == 0, made.stderr
        assert "its secrets need the keys k1, which are not in it" in made.stdout
    restored = run("restore", folder / "running.backup", "--data-dir", folder / "other")
    assert restored.returncode == 0, restored.stderr
    assert "its secrets need the keys k1: set TOCSIN_ENCRYPTION_KEYS" in restored.stdout
    again = run("backup", folder / "stopped.backup", "--data-dir", folder / "other")
    assert again.returncode == 0, again.stderr
    with embedded_servers(folder / "other") as servers:
        assert asyncio.run(contents(servers.database_url)) == before
        in_use = run("restore", folder / "stopped.backup", "--data-dir", folder / "other")
        assert "is in use by process" in in_use.stderr
    assert "holds data already" in run("restore", folder / "stopped.backup", "--data-dir", folder / "other").stderr


def test_a_folder_without_data_is_said_to_be_one(tmp_path: Path) -> None:
    refused = run("backup", tmp_path / "tocsin.backup", "--data-dir", tmp_path / "none")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "is no data folder of `tocsin up`" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_redis_alone_is_taken_for_a_mistake(tmp_path: Path) -> None:
    refused = run("backup", tmp_path / "tocsin.backup", TOCSIN_REDIS_URL="redis://127.0.0.1")
    assert refused.stderr.startswith("tocsin: TOCSIN_DATABASE_URL is not set, but TOCSIN_REDIS_URL is")


def test_a_database_that_is_not_there_is_named(tmp_path: Path, servers: Servers) -> None:
    url = with_database(servers.database_url, "never_made")
    refused = run("backup", tmp_path / "tocsin.backup", TOCSIN_DATABASE_URL=url)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert 'database "never_made" does not exist' in refused.stderr


def test_a_database_without_an_installation_is_no_backup(tmp_path: Path, empty: str) -> None:
    with pytest.raises(BackupError, match="holds no installation"):
        back_up(tmp_path / "tocsin.backup", tmp_path, own(empty))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused = run("restore", tmp_path / "nothing", "--data-dir", tmp_path / "data")
    assert "nothing is not a file: name one that `tocsin backup` wrote" in refused.stderr
    assert not (tmp_path / "data").exists()
