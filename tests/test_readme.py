"""Every command of the README, run as it stands but for ports and folders."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.embedded.conftest import open_folder
from tocsin.settings import Servers

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"^```(sh|js)\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
# What runs for minutes is what CI itself does: it sets up with make, runs the suite, and starts the platform.
BY_CI = {"make up\n", "make test\n"}
QUERY, MUTATION, SUBSCRIPTION = "statusSince openIncident", "createCheck", "/graphql/stream"
WATCH, SCRIPT, OWN_SERVERS = "tocsin watch", "graphql-ws", "tocsin api &"
# Run by tests/kubernetes/convergence/test_readme_on_kubernetes.py.
KUBERNETES = "kubectl"
BY_THEMSELVES = (QUERY, MUTATION, SUBSCRIPTION, WATCH, SCRIPT, OWN_SERVERS, KUBERNETES)


@dataclass(frozen=True)
class Installation:
    """A platform that runs on a port of its own."""

    port: int
    data_dir: Path

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        token = (self.data_dir / "token").read_text().strip()
        return {**own, "PATH": path, "TOCSIN_TOKEN": token, "TOCSIN_DATA_DIR": str(self.data_dir)}

    def adapt(self, block: str) -> str:
        return block.replace(":8000", f":{self.port}").replace(".tocsin", str(self.data_dir))


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tocsin.cli", "up", "--port", str(port), "--data-dir"]
    with open_folder() as folder, subprocess.Popen([*command, folder], cwd=ROOT, stdout=subprocess.DEVNULL) as up:
        try:
            wait_until_ready(port, up)
            yield Installation(port, folder)
        finally:
            up.terminate()


def wait_until_ready(port: int, up: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert up.poll() is None, "the platform ended"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail("the platform did not become ready")


def run(block: str, installation: Installation, folder: Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", installation.adapt(block)],
        cwd=folder,
        env=installation.environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def block_with(text: str) -> str:
    found: str = next(block for _, block in BLOCKS if text in block)
    return found


@pytest.fixture(scope="module")
def workplace() -> Iterator[Path]:
    """The one folder in which a reader works: a command finds there what an earlier one left."""
    with open_folder() as folder:
        yield folder


PLAIN = [block for _, block in BLOCKS if block not in BY_CI and not any(text in block for text in BY_THEMSELVES)]


@pytest.mark.parametrize("block", PLAIN, ids=lambda block: block.split("\n")[0][:50])
def test_a_command_of_the_readme_does_what_it_says(block: str, installation: Installation, workplace: Path) -> None:
    ended = run(block, installation, workplace)
    assert ended.returncode == 0, ended.stderr


def test_the_query_of_the_readme_shows_the_demo(installation: Installation, tmp_path: Path) -> None:
    assert '"Steady"' in run(block_with(QUERY), installation, tmp_path).stdout


def test_the_mutation_of_the_readme_makes_a_check(installation: Installation, tmp_path: Path) -> None:
    assert '"PENDING"' in run(block_with(MUTATION), installation, tmp_path).stdout.replace(" ", "")


def test_the_subscription_of_the_readme_delivers(installation: Installation, tmp_path: Path) -> None:
    assert '"SUCCESS"' in run(block_with(SUBSCRIPTION), installation, tmp_path).stdout


def test_the_script_of_the_readme_delivers(installation: Installation, tmp_path: Path) -> None:
    modules = ROOT / "tests/clients/graphql-ws/node_modules"
    if not modules.is_dir():
        if os.environ.get("CI"):
            pytest.fail("npm ci has not run in tests/clients/graphql-ws")
        pytest.skip("npm ci has not run in tests/clients/graphql-ws")
    (tmp_path / "node_modules").symlink_to(modules)
    script = tmp_path / "readme.mjs"
    script.write_text(installation.adapt(block_with(SCRIPT)))
    with subprocess.Popen(
        ["node", script], env=installation.environment(), stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        try:
            # Within a minute the failing target changes its status.
            assert "check" in "".join(client.stdout.readline() for _ in range(4))
        finally:
            client.kill()


def test_watch_shows_results_as_they_come(installation: Installation, tmp_path: Path) -> None:
    block = block_with(WATCH).rstrip() + f" --url http://127.0.0.1:{installation.port}"
    with subprocess.Popen(
        block.split(), cwd=tmp_path, env=installation.environment(), stdout=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout is not None
        try:
            assert watch.stdout.readline()
        finally:
            watch.terminate()


def test_the_parts_run_on_servers_of_ones_own(
    installation: Installation, servers: Servers, database_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    urls = {"postgresql": database_url, "redis": servers.redis_url}
    block = re.sub(r"(postgresql|redis)://[^ \n]+", lambda url: f"'{urls[url[1]]}'", block_with(OWN_SERVERS))
    environment = {**installation.environment(), "TOCSIN_PORT": str(port)}
    with subprocess.Popen(
        ["bash", "-c", f"{block}\nwait"], env=environment, start_new_session=True, stdout=subprocess.DEVNULL
    ) as parts:
        try:
            wait_until_ready(port, parts)
        finally:
            os.killpg(parts.pid, signal.SIGTERM)
