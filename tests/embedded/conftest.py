import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tocsin.embedded import EmbeddedServers, embedded_servers


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the servers' account can enter when the tests run as root, unlike pytest's own ones."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """One data folder for the tests that start servers of their own: only the first start makes a cluster."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def fresh_dir() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[EmbeddedServers]:
    with open_folder() as folder, embedded_servers(folder, fast=True) as servers:
        yield servers


@pytest.fixture
def embedded(shared_servers: EmbeddedServers) -> EmbeddedServers:
    """Servers that run, also when the test before ended one."""
    for server in (shared_servers.postgres, shared_servers.valkey):
        if not server.is_running():
            server.start()
    return shared_servers
