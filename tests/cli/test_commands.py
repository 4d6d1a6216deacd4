"""The commands beside `tocsin up`."""

import asyncio
import os
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from tests.cli.conftest import Run, execute
from tocsin import installation
from tocsin.services import accounts
from tocsin.settings import Servers


async def is_valid(database_url: str, token: str) -> bool:
    connection = await asyncpg.connect(database_url)
    try:
        return await accounts.is_valid(connection, token)
    finally:
        await connection.close()


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("version").stdout == f"{version('tocsin')}\n"


def test_the_version_is_told_by_an_option_too(run: Run) -> None:
    assert run("--version").stdout == f"{version('tocsin')}\n"


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 101])
def test_a_token_needs_a_name(installed: Run, name: str) -> None:
    done = installed("token", "create", "--name", name)
    assert done.exit_code == 2
    assert "Invalid value for '--name': must " in done.stderr
    assert installed("token", "list").stdout.count("\n") == 1


def test_a_new_token_opens_the_organization_and_stands_alone_on_standard_output(
    installed: Run, database_url: str
) -> None:
    token = installed("token", "create", "--name", "wallboard").stdout.strip()
    assert asyncio.run(is_valid(database_url, token))


def test_tokens_are_listed_without_what_is_secret(installed: Run) -> None:
    token = installed("token", "create", "--name", "wallboard", "--read-only", "--expires-in-days", "3").stdout.strip()
    headings, row = installed("token", "list").stdout.splitlines()
    assert headings.split() == ["ID", "NAME", "TOKEN", "RIGHTS", "CREATED", "EXPIRES", "STATE"]
    assert row.split()[:4] == ["1", "wallboard", f"{token[:13]}...", "read-only"]
    assert row.endswith("valid")
    assert token not in row


def test_a_revoked_token_opens_nothing(installed: Run, database_url: str) -> None:
    token = installed("token", "create", "--name", "wallboard").stdout.strip()
    assert installed("token", "revoke", "1").stdout == "token 1 is revoked\n"
    assert not asyncio.run(is_valid(database_url, token))
    assert installed("token", "list").stdout.splitlines()[1].endswith("revoked")


def test_an_expired_token_is_listed_as_such(installed: Run, database_url: str) -> None:
    installed("token", "create", "--name", "wallboard", "--expires-in-days", "1")
    execute(database_url, "UPDATE api_tokens SET expires_at = now() - interval '1 second'")
    assert installed("token", "list").stdout.splitlines()[1].endswith("expired")


def test_a_token_that_never_was_cannot_be_revoked(installed: Run) -> None:
    done = installed("token", "revoke", "9")
    assert done.exit_code == 1
    assert done.stderr == "tocsin: There is no such token.\n"


def test_what_is_migrated_is_said(run: Run, servers: Servers, database_url: str) -> None:
    execute(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    own = {"TOCSIN_DATABASE_URL": database_url, "TOCSIN_REDIS_URL": servers.redis_url}
    assert run("migrate", **own).stdout == "applied 0_20261121000000_init.py\n"
    assert run("migrate", **own).stdout == "the database is up to date\n"


def test_the_first_migration_lets_a_chosen_token_in(installed: Run, database_url: str) -> None:
    token = "a-token-of-our-own-choice"
    assert installed("migrate", TOCSIN_BOOTSTRAP_TOKEN=token).exit_code == 0
    assert asyncio.run(is_valid(database_url, token))


def test_a_chosen_token_lets_nobody_in_where_there_was_one_before(installed: Run, database_url: str) -> None:
    installed("token", "create", "--name", "wallboard")
    installed("migrate", TOCSIN_BOOTSTRAP_TOKEN="a-token-of-our-own-choice")
    assert not asyncio.run(is_valid(database_url, "a-token-of-our-own-choice"))


def test_a_chosen_token_that_is_too_short_is_refused(installed: Run) -> None:
    done = installed("migrate", TOCSIN_BOOTSTRAP_TOKEN="swordfish")
    assert (done.exit_code, done.stderr[:44]) == (2, "tocsin: TOCSIN_BOOTSTRAP_TOKEN must be at le")


def test_a_migration_waits_for_a_database_that_comes_later(installed: Run, database_url: str, tmp_path: Path) -> None:
    url = urlsplit(database_url)
    socket = Path(parse_qs(url.query)["host"][0]) / ".s.PGSQL.5432"
    later = threading.Timer(0.5, (tmp_path / socket.name).symlink_to, [socket])
    later.start()
    there_later = url._replace(query=f"host={tmp_path}").geturl()
    done = installed("migrate", "--wait-seconds", "30", TOCSIN_DATABASE_URL=there_later)
    later.join()
    assert done.stdout == "the database is up to date\n"


@pytest.mark.parametrize("command", [("migrate",), ("token", "list")])
def test_a_database_that_is_away_is_said_in_one_line(run: Run, command: tuple[str, ...]) -> None:
    away = {"TOCSIN_DATABASE_URL": "postgresql://tocsin:swordfish@127.0.0.1:1/t", "TOCSIN_REDIS_URL": "redis://redis"}
    done = run(*command, **away)
    assert done.exit_code == 1
    assert done.stderr.startswith("tocsin: the database cannot be used (")
    assert done.stderr.count("\n") == 1
    assert "swordfish" not in done.output


@pytest.mark.parametrize("command", [("migrate",), ("token", "list"), ("doctor",)])
def test_another_kind_of_database_is_refused_by_every_command(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, TOCSIN_DATABASE_URL="mysql://tocsin:swordfish@db/t", TOCSIN_REDIS_URL="redis://redis")
    assert "TOCSIN_DATABASE_URL must be a URL such as postgresql://" in done.output
    assert "only PostgreSQL serves" in done.output
    assert "swordfish" not in done.output


def say(command: str, output: str) -> subprocess.CompletedProcess[str]:
    """Let a shell send what a command says somewhere, as most people's environments have it: buffered."""
    script = f"set -o pipefail; {sys.executable} -m tocsin.cli {command} {output}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
@pytest.mark.parametrize("command", ["version", "schema", "--help"])
def test_a_full_disk_under_the_output_is_said_in_one_line(command: str) -> None:
    done = say(command, "> /dev/full")
    assert done.returncode == 1
    remedy = "make room on the disk, or write elsewhere"
    assert done.stderr == f"tocsin: cannot write ([Errno 28] No space left on device); {remedy}\n"


@pytest.mark.parametrize("command", ["version", "schema"])
def test_who_reads_no_further_ends_a_command_in_silence(command: str) -> None:
    done = say(command, "| true")
    assert done.returncode in (0, 1)
    assert done.stderr == ""


def test_without_servers_the_remedy_is_said(run: Run, tmp_path: Path) -> None:
    done = run("token", "list")
    assert done.exit_code == 2
    assert f"no `tocsin up` runs on {tmp_path / 'data'}; start it" in done.stderr


def test_the_servers_of_a_running_platform_are_found_by_its_folder(
    run: Run, servers: Servers, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.embedded.running_servers", lambda _: Servers(database_url, servers.redis_url))
    assert run("token", "list").stdout.startswith("ID  NAME")


@pytest.mark.parametrize("command", ["api", "scheduler", "worker"])
def test_a_process_of_the_platform_reads_its_own_settings(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tocsin.cli", command], env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("tocsin: TOCSIN_DATABASE_URL is not set; set it, or run `tocsin up`")


def test_the_data_is_where_make_up_has_it_or_in_the_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    assert installation.default_data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/tocsin")
    assert installation.default_data_dir({"XDG_DATA_HOME": "data"}) == Path.home() / ".local/share/tocsin"
    (tmp_path / ".tocsin").mkdir()
    assert installation.default_data_dir({"XDG_DATA_HOME": "/data"}) == Path(".tocsin")


@pytest.mark.parametrize("command", ["token list", "migrate", "doctor", "watch"])
def test_a_data_folder_that_cannot_be_read_is_refused_in_our_own_words(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "data").write_text("no folder")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert "Invalid value for '--data-dir'" not in run(*command.split()).output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_in_a_folder_that_the_user_cannot_enter_the_data_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    os.seteuid(65534)
    try:
        assert installation.default_data_dir({"XDG_DATA_HOME": "/data"}).is_absolute()
    finally:
        os.seteuid(0)


def test_the_schema_is_printed_whatever_modules_the_current_folder_has(tmp_path: Path) -> None:
    (tmp_path / "graphql_api.py").write_text("raise SystemExit('hidden')")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("tocsin")), "schema"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "type Query" in done.stdout, done.stderr
