import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis import Redis

from tocsin.embedded import EmbeddedServerError, EmbeddedServers, embedded_servers, running_servers
from tocsin.settings import Servers


async def fetch(database_url: str, statement: str, **options: Any) -> Any:
    connection = await asyncpg.connect(database_url, **options)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture
def redis(embedded: EmbeddedServers) -> Iterator[Redis]:
    with Redis.from_url(embedded.redis_url) as client:
        yield client


async def test_postgres_answers_in_utc_and_sorts_by_code_point(embedded: EmbeddedServers) -> None:
    assert await fetch(embedded.database_url, "SHOW timezone") == "UTC"
    assert await fetch(embedded.database_url, "SELECT datlocale FROM pg_database WHERE datname = 'tocsin'") == "C.UTF-8"
    assert await fetch(embedded.database_url, "SHOW data_checksums") == "on"


async def test_the_login_role_may_make_roles_and_is_no_superuser(embedded: EmbeddedServers) -> None:
    rights = "SELECT (rolsuper, rolbypassrls, rolcreaterole) FROM pg_roles WHERE rolname = current_user"
    assert await fetch(embedded.database_url, rights) == (False, False, True)


async def test_the_login_role_owns_its_database(embedded: EmbeddedServers) -> None:
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
    assert await fetch(embedded.database_url, owner) == "tocsin"


async def test_no_client_can_be_the_superuser(embedded: EmbeddedServers) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await fetch(embedded.database_url, "SELECT 1", user="postgres")


async def test_postgres_listens_on_its_socket_alone(embedded: EmbeddedServers) -> None:
    assert await fetch(embedded.database_url, "SHOW listen_addresses") == ""


def test_valkey_listens_on_its_socket_alone(redis: Redis) -> None:
    assert redis.config_get("port") == {"port": "0"}


def test_the_sockets_are_in_a_folder_for_their_account_alone(embedded: EmbeddedServers) -> None:
    assert embedded.postgres.folders.sockets.stat().st_mode & 0o777 == 0o700


def test_valkey_appends_to_a_file_and_evicts_nothing(redis: Redis) -> None:
    settings = redis.config_get("appendonly", "save", "maxmemory-policy")
    assert settings == {"appendonly": "yes", "save": "", "maxmemory-policy": "noeviction"}


async def test_data_is_synced_to_disk_unless_asked_otherwise(data_dir: Path) -> None:
    with embedded_servers(data_dir) as durable, Redis.from_url(durable.redis_url) as redis:
        assert await fetch(durable.database_url, "SHOW fsync") == "on"
        assert await fetch(durable.database_url, "SHOW synchronous_commit") == "on"
        assert redis.config_get("appendfsync") == {"appendfsync": "everysec"}


async def test_a_second_start_goes_on_with_the_same_data(data_dir: Path) -> None:
    with embedded_servers(data_dir, fast=True) as first, Redis.from_url(first.redis_url) as redis:
        await fetch(first.database_url, "CREATE TABLE IF NOT EXISTS kept AS SELECT 'a site' AS name")
        redis.set("kept", "a hint")
    with embedded_servers(data_dir, fast=True) as second, Redis.from_url(second.redis_url) as redis:
        assert await fetch(second.database_url, "SELECT name FROM kept") == "a site"
        assert redis.get("kept") == b"a hint"


async def test_a_killed_postgres_keeps_what_was_committed(embedded: EmbeddedServers) -> None:
    await fetch(embedded.database_url, "DROP TABLE IF EXISTS survivor")
    await fetch(embedded.database_url, "CREATE TABLE survivor AS SELECT 7 AS number")
    killed = embedded.postgres.pid
    embedded.postgres.kill()
    assert not embedded.postgres.answers()
    embedded.postgres.start()
    assert await fetch(embedded.database_url, "SELECT number FROM survivor") == 7
    assert embedded.postgres.pid != killed


async def test_a_killed_postgres_takes_its_busy_sessions_along(embedded: EmbeddedServers) -> None:
    connection = await asyncpg.connect(embedded.database_url)
    await connection.execute("BEGIN; CREATE TABLE never_committed (id int)")
    embedded.postgres.kill()
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.execute("COMMIT")
    connection.terminate()


def test_a_killed_valkey_keeps_what_it_acknowledged(embedded: EmbeddedServers, redis: Redis) -> None:
    redis.set("survivor", "7")
    embedded.valkey.kill()
    assert not embedded.valkey.answers()
    embedded.valkey.start()
    assert redis.get("survivor") == b"7"


def test_a_server_that_is_stopped_has_no_process(embedded: EmbeddedServers) -> None:
    embedded.valkey.stop()
    with pytest.raises(EmbeddedServerError, match="Valkey is not running"):
        _ = embedded.valkey.pid


def test_a_folder_in_use_is_refused_in_one_line(embedded: EmbeddedServers) -> None:
    with pytest.raises(EmbeddedServerError) as refused:
        start_and_stop(embedded.home)
    assert f"data folder {embedded.home} is in use by process {os.getpid()}" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert embedded.postgres.answers()


def test_running_servers_are_found_by_their_folder(embedded: EmbeddedServers) -> None:
    assert running_servers(embedded.home) == Servers(embedded.database_url, embedded.redis_url)


def test_stopped_servers_are_not_found(data_dir: Path, tmp_path: Path) -> None:
    start_and_stop(data_dir)
    assert running_servers(data_dir) is None
    assert running_servers(tmp_path) is None


def test_data_of_another_major_version_is_refused_in_one_line(fresh_dir: Path) -> None:
    (fresh_dir / "postgres").mkdir()
    (fresh_dir / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"was made by PostgreSQL 17.*choose another folder"):
        start_and_stop(fresh_dir)


def start_and_stop(data_dir: Path) -> None:
    with embedded_servers(data_dir, fast=True):
        pass


def test_a_server_that_does_not_start_shows_the_end_of_its_log(data_dir: Path) -> None:
    settings = data_dir / "postgres" / "postgresql.auto.conf"
    start_and_stop(data_dir)
    before = settings.read_text()
    settings.write_text("no_such_setting = on\n")
    try:
        with pytest.raises(EmbeddedServerError, match=r"PostgreSQL did not start: .*no_such_setting"):
            start_and_stop(data_dir)
    finally:
        settings.write_text(before)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match="cannot use the data folder"):
        start_and_stop(tmp_path / "file" / "data")


@pytest.mark.parametrize("name", ["deep" * 20, "a folder, with odd characters"])
async def test_a_path_that_does_not_suit_sockets_gets_them_elsewhere(fresh_dir: Path, name: str) -> None:
    with embedded_servers(fresh_dir / name, fast=True) as servers, Redis.from_url(servers.redis_url) as redis:
        assert servers.home == fresh_dir / name
        assert await fetch(servers.database_url, "SELECT 1") == 1
        assert redis.ping()
    assert not servers.postgres.folders.sockets.parent.exists()


async def test_logs_hold_no_text_of_statements(embedded: EmbeddedServers) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await fetch(embedded.database_url, "SELECT 'swordfish'::int")
    assert "swordfish" not in embedded.postgres.log.read_text()
