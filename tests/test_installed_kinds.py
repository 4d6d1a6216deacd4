"""The sample package under examples: a kind that Tocsin knows nothing of shows everywhere, and is probed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.memcached import Memcached
from tests.servers.processes import running

ROOT = Path(__file__).parent.parent
UV = Path(sys.prefix) / "uv" / "bin" / "uv"
PROBE = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import probe
from tocsin.domain.targets import parse_target

async def main():
    engine = Engine(EgressPolicy(allow_private=True), lambda: datetime.now(UTC))
    target = parse_target("memcached", {"host": "127.0.0.1", "port": int(sys.argv[1]), "maximum_connections": 1000})
    seen = await probe(target, timedelta(seconds=10), engine)
    print(seen.outcome, seen.message or "")

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the sample is installed in. What builds it is in uv's cache, for it has built Tocsin."""
    if not UV.exists():
        pytest.skip("the environment was not made by make setup")
    folder = tmp_path_factory.mktemp("packages")
    sample = ROOT / "examples" / "tocsin-kind-memcached"
    command = [str(UV), "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(sample)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def memcached() -> Iterator[Memcached]:
    with running(Memcached) as server:
        yield server


def printed(installed: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_an_installed_kind_is_documented(installed: Path) -> None:
    assert "maximumConnections: whole number" in printed(installed, "-m", "tocsin.cli", "kinds", "memcached")


def test_an_installed_kind_stands_in_the_graphql_schema(installed: Path) -> None:
    schema = printed(installed, "-m", "tocsin.cli", "schema")
    assert "memcached: MemcachedTargetInput" in schema
    assert "type MemcachedTarget {" in schema


def test_an_installed_kind_stands_in_the_definition_of_healthchecks(installed: Path) -> None:
    assert "How many connections the server may have open." in printed(installed, "-m", "tocsin.cli", "crd")


def test_an_installed_kind_is_probed(installed: Path, memcached: Memcached) -> None:
    assert printed(installed, "-c", PROBE, str(memcached.ports["plain"])).startswith("SUCCESS")
