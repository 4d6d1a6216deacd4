"""A process that is frozen in the middle of a transaction stops nobody else for more than a few seconds."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tests.engine.harness import REPOSITORY, Platform, Target, eventually, state_of

_LONGEST_SILENCE = "SELECT max(at - before) FROM (SELECT at, lag(at) OVER (ORDER BY at) AS before FROM events) AS d"


@contextmanager
def frozen(platform: Platform, work: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that stops itself while it does the work."""
    command = [sys.executable, "-m", "tests.engine.freezing", work]
    environment = {**os.environ, "TOCSIN_DATABASE_URL": platform.database_url}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as process:
        yield process
        process.kill()


async def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    return state_of(process.pid)[0] == "T"


@pytest.mark.parametrize(
    ("work", "at_least_seconds"), [("record", 1.5), pytest.param("plan", 0.0, marks=pytest.mark.soak)]
)
async def test_a_process_frozen_in_mid_transaction_stops_nobody_for_long(
    work: str, at_least_seconds: float, platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, _ = target
    await platform.make_checks(100, 1, port)
    platform.scheduler(), platform.worker()
    since = await platform.until_probing()
    await asyncio.sleep(1)
    with frozen(platform, work) as process:
        await eventually(lambda: is_stopped(process), 10)
        await asyncio.sleep(4)
        longest = await platform.ask(_LONGEST_SILENCE)
    assert timedelta(seconds=at_least_seconds) < longest < timedelta(seconds=4)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed, total.strays) == ([], [], {}, [])
    assert total.max_lateness < 4
    assert await platform.problems() == []
