"""`tocsin watch` as a child process: on a pipe, and in a terminal."""

import asyncio
import os
import signal
import sys
import termios
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.watch.stand_in import TOKEN, StandIn

LEFT_SCREEN = b"\x1b[?1049l"
SHOWN_CURSOR = b"\x1b[?25h"
# What would make the program behave otherwise than it does for most people.
OTHERS = ("TOCSIN_", "COLUMNS", "LINES", "PYTHONUNBUFFERED")


def environment(**variables: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return {**own, "TERM": "xterm-256color", **variables}


@asynccontextmanager
async def running(
    url: str, *options: str, stdio: int = PIPE, output: int | None = None, **variables: str
) -> AsyncIterator[Process]:
    """The program; it is killed at the end unless it has ended by itself. `output` is its own standard output."""
    command = [sys.executable, "-m", "tocsin.cli", "watch", "--url", url, *options]
    own = environment(**variables)
    said = stdio if output is None else output
    process = await asyncio.create_subprocess_exec(*command, stdin=stdio, stdout=said, stderr=stdio, env=own)
    try:
        async with asyncio.timeout(20):
            yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def next_line(process: Process) -> str:
    """The next line, without its instant."""
    assert process.stdout is not None
    return " ".join((await process.stdout.readline()).decode().split()[1:])


async def failure(url: str, *options: str, **variables: str) -> tuple[int | None, str]:
    """The status with which the program ends by itself, and what it says then."""
    async with running(url, *options, stdio=PIPE, output=PIPE, **variables) as process:
        _, error = await process.communicate()
    return process.returncode, error.decode()


class Terminal:
    """Both ends of a terminal: what the program writes, and keys."""

    def __init__(self) -> None:
        self.keyboard, self.fd = os.openpty()
        termios.tcsetwinsize(self.fd, (30, 100))
        self.written = b""

    def press(self, key: bytes) -> None:
        os.write(self.keyboard, key)

    async def until(self, words: bytes) -> None:
        """Read until the program has written something."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.keyboard, readable.set)
        while words not in self.written:
            await readable.wait()
            self.written += os.read(self.keyboard, 65_536)
            readable.clear()
        loop.remove_reader(self.keyboard)

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.keyboard)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


async def test_without_a_terminal_a_line_is_printed_for_each_event(api: StandIn) -> None:
    async with running(api.url, TOCSIN_TOKEN=TOKEN) as process:
        assert await next_line(process) == "connected to acme"
        assert await next_line(process) == "check shop / check 1: UP http"
        assert await next_line(process) == "check shop / check 2: UP http"
        await api.tell_result(2, 5)
        assert await next_line(process) == "result shop / check 2: SUCCESS 12 ms"
        await api.tell_status(2, 5, "UP", "DOWN")
        assert await next_line(process) == "status shop / check 2: UP -> DOWN"


async def test_lines_go_on_after_a_cut(api: StandIn) -> None:
    async with running(api.url, "--plain", TOCSIN_TOKEN=TOKEN) as process:
        for _ in range(3):
            await next_line(process)
        api.cut()
        assert await next_line(process) == "away the connection was cut; trying again"
        await api.tell_result(1, 5)
        assert await next_line(process) == "connected again"
        assert await next_line(process) == "result shop / check 1: SUCCESS 12 ms"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_in_silence(api: StandIn, number: signal.Signals) -> None:
    async with running(api.url, TOCSIN_TOKEN=TOKEN) as process:
        await next_line(process)
        process.send_signal(number)
        _, error = await process.communicate()
        assert (process.returncode, error) == (0, b"")


async def test_who_stops_reading_ends_it_in_silence(api: StandIn) -> None:
    async with running(api.url, TOCSIN_TOKEN=TOKEN) as process:
        await next_line(process)
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        await api.tell_result(1, 5)
        assert process.stderr is not None
        assert await process.stderr.read() == b""
        assert await process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
async def test_a_full_disk_under_the_lines_is_said_as_such(api: StandIn) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    async with running(api.url, output=full, TOCSIN_TOKEN=TOKEN) as process:
        os.close(full)
        _, error = await process.communicate()
    assert process.returncode == 1
    assert error.decode().startswith("tocsin: cannot write ([Errno 28] No space left on device); make room")
    assert error.count(b"\n") == 1


async def test_names_that_the_encoding_does_not_know_stop_nothing(api: StandIn) -> None:
    api.checks[0]["name"] = "検査"
    async with running(api.url, TOCSIN_TOKEN=TOKEN, PYTHONIOENCODING="ascii") as process:
        await next_line(process)
        assert await next_line(process) == "check shop / ??: UP http"


async def test_a_missing_token_is_said_in_one_line_with_what_helps(tmp_path: Path) -> None:
    status, error = await failure("http://127.0.0.1:1", TOCSIN_DATA_DIR=str(tmp_path))
    remedy = "make one with `tocsin token create --name NAME`, and set TOCSIN_TOKEN or give --token"
    assert (status, error) == (1, f"tocsin: no token; {remedy}\n")


async def test_a_refused_token_is_said_in_one_line_without_repeating_it(api: StandIn) -> None:
    status, error = await failure(api.url, "--token", "tocsin_wrong")
    assert status == 1
    assert error.startswith(f"tocsin: {api.url} refuses the token; make one")
    assert error.count("\n") == 1
    assert "tocsin_wrong" not in error


async def test_the_token_of_the_data_folder_is_used_on_this_machine(api: StandIn, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    async with running(api.url, TOCSIN_DATA_DIR=str(tmp_path)) as process:
        assert await next_line(process) == "connected to acme"


async def test_the_token_of_the_data_folder_is_sent_to_no_other_machine(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    status, error = await failure("http://192.0.2.1:8000", TOCSIN_DATA_DIR=str(tmp_path))
    assert (status, error.partition(";")[0]) == (1, "tocsin: no token")


async def test_a_terminal_shows_what_happens_and_is_restored_by_q(api: StandIn, terminal: Terminal) -> None:
    modes = termios.tcgetattr(terminal.fd)
    async with running(api.url, stdio=terminal.fd, TOCSIN_TOKEN=TOKEN) as process:
        await terminal.until(b"check 2")
        await api.tell_status(2, 5, "UP", "DOWN")
        await terminal.until(b"DOWN")
        terminal.press(b"q")
        await terminal.until(LEFT_SCREEN)
        await terminal.until(SHOWN_CURSOR)
        assert await process.wait() == 0
    assert termios.tcgetattr(terminal.fd) == modes


async def test_a_terminal_is_restored_when_the_token_is_revoked(api: StandIn, terminal: Terminal) -> None:
    modes = termios.tcgetattr(terminal.fd)
    async with running(api.url, stdio=terminal.fd, TOCSIN_TOKEN=TOKEN) as process:
        await terminal.until(b"check 2")
        await api.close(4403, "The token is not valid any more.")
        await terminal.until(b"refuses the token")
        assert terminal.written.index(LEFT_SCREEN) < terminal.written.index(b"refuses the token")
        assert await process.wait() == 1
    assert termios.tcgetattr(terminal.fd) == modes


async def test_an_api_that_is_away_is_shown_in_the_terminal(api: StandIn, terminal: Terminal) -> None:
    async with running(api.url, stdio=terminal.fd, TOCSIN_TOKEN=TOKEN) as process:
        await terminal.until(b"check 2")
        api.cut()
        await terminal.until(b"is away since")
        process.send_signal(signal.SIGINT)
        await terminal.until(LEFT_SCREEN)
        assert await process.wait() == 0
