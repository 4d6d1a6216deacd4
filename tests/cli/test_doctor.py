"""`tocsin doctor` says what is wrong, and what helps."""

import resource
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import asyncpg
import pytest

from tests.cli.conftest import Run, execute
from tocsin.embedded import abandoned
from tocsin.services.partitions import ensure_partitions


@pytest.fixture
async def healthy(owner: asyncpg.Connection) -> None:
    """What a scheduler that runs has written."""
    await ensure_partitions(owner, datetime.now(UTC))
    await owner.execute("INSERT INTO ticks (at) VALUES (date_trunc('second', now()))")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where data elsewhere is: not this machine's own."""
    monkeypatch.setattr(abandoned, "STORES", (tmp_path / "store",))
    return tmp_path / "store"


def finding(output: str, part: str) -> str:
    return next(line for line in output.splitlines() if line[9:].startswith(part))


@pytest.mark.usefixtures("healthy")
def test_a_healthy_installation_is_found_healthy(installed: Run) -> None:
    done = installed("doctor")
    assert done.exit_code == 0, done.output
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}


def test_without_servers_only_that_is_said(run: Run) -> None:
    done = run("doctor")
    assert done.exit_code == 1
    assert done.stdout.startswith("WRONG    settings    TOCSIN_DATABASE_URL is not set")


def test_a_wrong_setting_is_found(installed: Run) -> None:
    done = installed("doctor", TOCSIN_PORT="no")
    assert done.exit_code == 1
    assert "TOCSIN_PORT must be a port" in finding(done.stdout, "settings")


def test_a_database_that_is_away_is_found(installed: Run) -> None:
    done = installed("doctor", TOCSIN_DATABASE_URL="postgresql://tocsin:swordfish@127.0.0.1:1/tocsin")
    assert done.exit_code == 1
    assert "the database cannot be used" in finding(done.stdout, "database")
    assert "swordfish" not in done.output


@pytest.mark.usefixtures("healthy")
def test_a_redis_that_is_away_is_no_more_than_a_warning(installed: Run) -> None:
    done = installed("doctor", TOCSIN_REDIS_URL="redis://127.0.0.1:1")
    assert done.exit_code == 0
    assert finding(done.stdout, "redis").startswith("warning")


def test_missing_migrations_are_found(installed: Run, database_url: str) -> None:
    execute(database_url, "DELETE FROM aerich")
    assert finding(installed("doctor").stdout, "migrations").endswith("run `tocsin migrate`")


def test_an_empty_ledger_is_found(installed: Run) -> None:
    output = installed("doctor").stdout
    assert finding(output, "scheduler").endswith("no tick was ever planned; check that a scheduler runs")
    assert finding(output, "partitions").startswith("WRONG")


@pytest.mark.usefixtures("healthy")
def test_a_small_limit_of_open_files_is_a_warning(installed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    done = installed("doctor")
    assert finding(done.stdout, "open files").endswith("allow 65536, as with `ulimit -n 65536`")


@pytest.mark.usefixtures("healthy")
def test_clocks_that_differ_are_a_warning(installed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            return super().now(tz) + timedelta(seconds=7.5)

    monkeypatch.setattr("tocsin.doctor.datetime", Ahead)
    assert "the database's clock is -7." in finding(installed("doctor").stdout, "time")


@pytest.mark.usefixtures("healthy")
def test_data_whose_folder_is_gone_is_named_with_what_removes_it(installed: Run, store: Path, tmp_path: Path) -> None:
    home = store / "data-1"
    home.mkdir(parents=True)
    (home / "data-folder").write_text(f"{tmp_path}/gone\n")
    (home / "table").write_bytes(bytes(3 * 1024**2))
    done = installed("doctor")
    assert done.exit_code == 0
    assert finding(done.stdout, "old data").startswith(
        f"warning  old data    {home} (3 MiB) was the data of {tmp_path}/gone,"
    )
    assert f"remove it: rm -r {home}" in done.stdout
    assert home.exists()
