"""A disk that is full is said plainly and survived."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.embedded.conftest import open_folder
from tests.engine.harness import Platform, Target, ended, eventually
from tocsin.embedded import embedded_servers
from tocsin.migrate import migrate


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a disk of 200 MB."""
    with open_folder() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=200m,mode=711", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a small disk")
        yield folder
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
async def cramped_platform(small_disk: Path, tmp_path: Path) -> AsyncIterator[Platform]:
    with embedded_servers(small_disk / "data", fast=True) as servers:
        await migrate(servers.database_url)
        with ended(Platform(servers, servers.database_url, tmp_path)) as platform:
            await platform.prepare()
            yield platform


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            return ballast


async def test_a_full_disk_is_said_plainly_and_survived(
    small_disk: Path, cramped_platform: Platform, target: tuple[int, type[Target]]
) -> None:
    platform = cramped_platform
    await platform.make_checks(100, 1, target[0])
    scheduler, worker = platform.scheduler(), platform.worker()
    since = await platform.until_probing()
    ballast = await asyncio.to_thread(fill, small_disk)
    await eventually(lambda: says(scheduler.log, "No space left on device"), 20)
    await asyncio.sleep(2)
    ballast.unlink()
    freed_at = await platform.now()
    await eventually(lambda: platform.ask("SELECT true FROM results WHERE slot > $1", freed_at), 15)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert await platform.problems() == []
    assert scheduler.is_running
    assert worker.is_running


async def says(log: Path, words: str) -> bool:
    return words in await asyncio.to_thread(log.read_text)
