"""Processes are kept running, and stopped gently, then by force."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.embedded.program import is_gone, wait_until
from tests.up.standins import CHATTY, CRASHING, STEADY, STUBBORN, SUPERVISING, Stage, stage
from tocsin.up import child, supervision


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


async def test_a_process_that_was_killed_is_started_again(made: Stage) -> None:
    made.run("steady", STEADY)
    await made.wait_for(lambda: made.pids("steady"))
    os.kill(made.pids("steady")[0], signal.SIGKILL)
    await made.wait_for(lambda: len(made.pids("steady")) == 2)
    assert "up         ERROR steady was killed by signal 9; starting it again in 0.5 s" in made.lines


async def test_a_process_that_crashes_again_and_again_is_waited_for_longer(made: Stage) -> None:
    made.run("crashing", CRASHING)
    await made.wait_for(lambda: len(made.lines) == 2)
    assert made.lines == [
        "up         ERROR crashing ended with status 3; starting it again in 0.5 s",
        "up         ERROR crashing ended with status 3; starting it again in 1 s",
    ]


def test_a_process_starts_also_where_the_user_cannot_enter_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert json.loads(child._order(child.Module("steady", "steady"), 0))["cwd"] == "/"


async def test_a_stop_is_a_request(made: Stage) -> None:
    made.run("steady", STEADY)
    await made.wait_for(lambda: made.pids("steady"))
    await made.supervisor.stop(made.hurry)
    assert made.lines[-1] == "steady     bye"
    assert is_gone(made.pids("steady")[0])


async def test_a_process_that_does_not_stop_is_killed(made: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STOP_SECONDS", 0.2)
    made.run("stubborn", STUBBORN)
    await made.wait_for(lambda: made.pids("stubborn"))
    await made.supervisor.stop(made.hurry)
    assert made.lines[-1] == "up         WARNING stubborn has not ended by itself and is killed"
    assert is_gone(made.pids("stubborn")[0])


async def test_a_second_signal_waits_for_nobody(made: Stage) -> None:
    made.run("stubborn", STUBBORN)
    await made.wait_for(lambda: made.pids("stubborn"))
    stopping = asyncio.create_task(made.supervisor.stop(made.hurry))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    made.hurry.set()
    await asyncio.wait_for(stopping, 2)


async def test_a_stop_does_not_wait_for_a_restart(made: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_SECONDS", 60.0)
    made.run("crashing", CRASHING)
    await made.wait_for(lambda: made.lines)
    await asyncio.wait_for(made.supervisor.stop(made.hurry), 1)


async def test_what_processes_say_becomes_one_log(made: Stage) -> None:
    made.run("chatty", CHATTY)
    await made.wait_for(lambda: "chatty     the end" in made.lines)
    assert made.lines[:2] == ["chatty     request  path=/graphql", "chatty     plain words"]


def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as program:
        assert program.stdout
        pids = [int(pid) for pid in program.stdout.readline().split()]
        program.kill()
        program.wait()
        assert len(pids) == 2
        assert wait_until(lambda: all(map(is_gone, pids)), 5)
