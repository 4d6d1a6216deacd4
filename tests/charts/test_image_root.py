"""The Dockerfile, followed in a Debian root, and its roles run there: nobody's, on a file system that is read-only.

It takes root rights, some minutes, and such a root, whose folder TOCSIN_IMAGE_BASE names:
`debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv trixie FOLDER`.
"""

import asyncio
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.charts.image_root import build, listed
from tests.charts.rendering import CHART
from tests.embedded.conftest import shared_servers  # noqa: F401 - a fixture
from tests.engine.harness import eventually
from tests.line import Line
from tests.up.platform import free_port
from tocsin.embedded import EmbeddedServers

pytestmark = pytest.mark.soak

# What a container runtime does with `readOnlyRootFilesystem`, an emptyDir for /tmp, and `runAsUser`.
CONTAINER = """
mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t tmpfs tmpfs "$0/tmp"
exec chroot --userspec=10001:10001 "$0" env --chdir=/tmp tocsin "$@"
"""
READINESS = {
    "api": ("TOCSIN_PORT", "/healthz"),
    "receiver": ("TOCSIN_METRICS_PORT", "/readyz"),
    "scheduler": ("TOCSIN_METRICS_PORT", "/readyz"),
    "worker": ("TOCSIN_METRICS_PORT", "/readyz"),
}
ENVIRONMENT = {"PATH": "/opt/tocsin/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"}


@pytest.fixture(scope="module")
def base() -> Path:
    if "TOCSIN_IMAGE_BASE" not in os.environ:
        pytest.skip("TOCSIN_IMAGE_BASE names no folder with the root of a Debian")
    return Path(os.environ["TOCSIN_IMAGE_BASE"])


@pytest.fixture(scope="module")
def image(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(base, tmp_path_factory.mktemp("image"))


def container(image: Path, *arguments: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-ec", CONTAINER, str(image), *arguments]


def run(image: Path, *arguments: str, **settings: str) -> str:
    command = container(image, *arguments)
    return subprocess.run(command, env=ENVIRONMENT | settings, capture_output=True, text=True, check=True).stdout


def test_the_definition_in_the_image_is_the_charts(image: Path) -> None:
    assert run(image, "crd") == (CHART / "files" / "crds" / "healthchecks.yaml").read_text()


def test_the_same_files_make_the_same_image(base: Path, image: Path, tmp_path: Path) -> None:
    again = build(base, tmp_path)
    assert listed(again / "opt" / "tocsin") == listed(image / "opt" / "tocsin")


async def test_every_role_gets_ready(image: Path, shared_servers: EmbeddedServers) -> None:  # noqa: F811 - the fixture
    database, redis = (Line(f"unix://{server.socket}") for server in (shared_servers.postgres, shared_servers.valkey))
    await database.mend()
    await redis.mend()
    servers = {
        "TOCSIN_DATABASE_URL": f"postgresql://tocsin@127.0.0.1:{database.port}/tocsin?sslmode=disable",
        "TOCSIN_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
    }
    assert await asyncio.to_thread(run, image, "migrate", TOCSIN_BOOTSTRAP_TOKEN="a" * 24, **servers)
    for role, (variable, path) in READINESS.items():
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *container(image, role), env=ENVIRONMENT | servers | {variable: str(port)}
        )
        assert await eventually(partial(answers, port, path), 30)
        process.terminate()
        assert await process.wait() == 0, role
    database.cut()
    redis.cut()


async def answers(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    status = (await reader.readline()).split()[1]
    writer.close()
    return status == b"200"
