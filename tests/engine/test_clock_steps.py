"""The database's clock steps forwards by an hour, and back: no false incident, no slot doubled or silent."""

import asyncio
import socket
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.embedded.conftest import open_folder
from tests.engine.harness import Platform, Target, ended, eventually
from tocsin.embedded import embedded_servers, processes
from tocsin.migrate import migrate

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")

# The clock as the engine reads it, with a step that the test decides.
FAKED = """
from tocsin import clock
clock._READ = clock._READ.replace("clock_timestamp()", "clock_timestamp() + (SELECT step FROM fake_clock)")
"""
_FAKE_CLOCK = """
CREATE TABLE fake_clock AS SELECT interval '0' AS step;
GRANT SELECT ON fake_clock TO tocsin_engine;
"""


async def held_back(port: int) -> float:
    """What the scheduler's metrics say, in seconds."""
    with await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/metrics") as response:
        lines = response.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith("tocsin_clock_held_back_seconds")).split()[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_clock_that_steps_an_hour_and_back_changes_nothing(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    async with platform.connection() as connection:
        await connection.execute(_FAKE_CLOCK)

    async def step(by: str) -> None:
        await platform.ask("UPDATE fake_clock SET step = $1::text::interval", f"{by} hours")

    await stand(platform, target, step, FAKED)


_CRON = """
UPDATE checks SET interval_seconds = NULL, cron = '* * * * *', time_zone = 'UTC' WHERE id = $1;
"""
_CRON_VERSION = """
UPDATE check_versions SET interval_ms = NULL, cron = '* * * * *', time_zone = 'UTC', expanded_to = now()
WHERE check_id = $1
"""


async def test_a_leap_of_ten_days_finds_days_and_cron_instants_made(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    [cron, *_] = await platform.make_checks(50, 1, target[0])
    async with platform.connection() as connection:
        await connection.execute(_FAKE_CLOCK)
        await connection.execute(_CRON, cron)
        await connection.execute(_CRON_VERSION, cron)
    platform.scheduler(FAKED), platform.worker(FAKED)
    await platform.until_probing()
    await platform.ask("UPDATE fake_clock SET step = '10 days'")
    leapt = "SELECT count(*) > 100 FROM results WHERE slot > now() + interval '9 days'"
    assert await eventually(lambda: platform.ask(leapt), 10) < 6
    assert await platform.ask(
        "SELECT expanded_to > now() + interval '9 days' FROM check_versions WHERE check_id = $1", cron
    )


@pytest.fixture
def faketime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says by how much the clock of the embedded servers steps."""
    file = tmp_path_factory.mktemp("faketime") / "faketime"
    file.write_text("+0h")
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    for name, value in environment.items():
        monkeypatch.setitem(processes.ENVIRONMENT, name, value)
    for folder in file.parents[:3]:
        folder.chmod(0o755)
    return file


@pytest.mark.soak
@pytest.mark.skipif(not FAKETIME.exists(), reason="needs Debian's package faketime")
async def test_a_real_clock_that_steps_an_hour_and_back_changes_nothing(
    faketime: Path, tmp_path: Path, target: tuple[int, type[Target]]
) -> None:
    async def step(by: str) -> None:
        await asyncio.to_thread(faketime.write_text, f"{by}h")

    with open_folder() as folder, embedded_servers(folder, fast=True) as servers:
        await migrate(servers.database_url)
        with ended(Platform(servers, servers.database_url, tmp_path)) as platform:
            await platform.prepare()
            await stand(platform, target, step)


async def stand(
    platform: Platform, target: tuple[int, type[Target]], step: Callable[[str], Awaitable[None]], prelude: str = ""
) -> None:
    """Step the clock an hour forwards and back, and look what came of it."""
    metrics = free_port()
    await platform.make_checks(50, 1, target[0])
    platform.scheduler(prelude, TOCSIN_METRICS_PORT=str(metrics)), platform.scheduler(prelude)
    platform.worker(prelude)
    since = await platform.until_probing()
    await step("+1")
    later = since + timedelta(minutes=59)
    await eventually(lambda: platform.ask("SELECT count(*) > 50 FROM results WHERE slot > $1", later), 15)
    await step("+0")
    await eventually(lambda: is_held_back_an_hour(metrics), 10)
    await asyncio.sleep(2)
    total = await platform.settled(since)
    # Those that were planned before the step, for instants that then had passed an hour ago.
    assert sum(total.missed.values()) < 50 * 3
    assert (total.silent, total.unfolded) == ([], [])
    assert total.probed > 100
    assert await platform.ask("SELECT count(*) FROM gaps WHERE reason = 'NOTHING_PLANNED'") == 1
    assert await platform.ask("SELECT count(*) FROM incidents") == 0
    assert await platform.ask("SELECT count(*) FROM check_states WHERE status <> 'UP'") == 0
    assert await platform.problems() == []


async def is_held_back_an_hour(port: int) -> bool:
    return 3590 < await held_back(port) < 3610
