"""Runs one server, or another child, for as long as its parent lives, and keeps its log bounded.

It is started by path with `python -I -S` and so imports the standard library alone. It has one thread and is the parent
of the server, which makes "die with your parent" hold: that is tied to the thread that started the process, and the
program's threads come and go. Its input is a pipe that nobody writes to; the end of it says "stop the server". The
server's output is a pipe that all its processes inherit; the end of it says that every one of them is gone.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LOG_LIMIT_BYTES = 4 * 1024 * 1024
PARENT_CHECK_SECONDS = 1.0
READER_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


class BoundedLog:
    """A file that is moved to `<name>.1` when it is full. What cannot be written is dropped: it stops no server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("ab", buffering=0)

    def write(self, chunk: bytes) -> None:
        with suppress(OSError):
            self.file.write(chunk)
            if self.file.tell() > LOG_LIMIT_BYTES:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                self.file.close()
                self.file = self.path.open("ab", buffering=0)


class PassedOn:
    """The guard's own standard error. A reader that stands still is waited for once, and then loses what is said."""

    def __init__(self) -> None:
        os.set_blocking(2, False)
        self.patience_seconds = READER_SECONDS

    def write(self, chunk: bytes) -> None:
        with suppress(BrokenPipeError):
            while chunk and select.select([], [2], [], self.patience_seconds)[1]:
                chunk = chunk[os.write(2, chunk) :]
            self.patience_seconds = 0.0 if chunk else READER_SECONDS


Log = BoundedLog | PassedOn


def die_with_parent(stop_signal: int) -> Callable[[], None] | None:
    """What the child runs before the server, once its privileges are dropped, as dropping them would undo it."""
    if sys.platform != "linux":
        return None
    prctl, guard = ctypes.CDLL(None).prctl, os.getpid()

    def ask_for_signal() -> None:
        prctl(PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != guard:
            os._exit(1)

    return ask_for_signal


def start_server(order: dict[str, Any], stop_signal: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - the order comes from the parent
        order["command"],
        cwd=order["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        pass_fds=(order["lock_fd"],),
        preexec_fn=die_with_parent(stop_signal),  # noqa: PLW1509 - there is one thread
        **order["identity"],
    )


def copy_output(output: int, log: Log) -> bool:
    """Copy what is there; False at the end of the output."""
    chunk = os.read(output, 65536)
    log.write(chunk)
    return bool(chunk)


def runs_until_released(output: int, log: Log, parent: int) -> bool:
    """Wait; True when the server is to be stopped, False when it ended by itself.

    The parent's id is looked at too: a process that the parent forked holds the pipe open beyond the parent's death.
    """
    while True:
        readable, _, _ = select.select([0, output], [], [], PARENT_CHECK_SECONDS)
        if output in readable and not copy_output(output, log):
            return False
        if 0 in readable or os.getppid() != parent:
            return True


def ends_within(seconds: float, output: int, log: Log) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([output], [], [], left)[0] and not copy_output(output, log):
            return True
    return False


def exit_status(server: subprocess.Popen[bytes]) -> int:
    """The server's status, as a shell says it: 128 + n after signal n."""
    status = server.wait()
    return status if status >= 0 else 128 - status


def answer(message: str) -> None:
    """Tell the parent the server's id, or why there is none. A parent that is gone by now ends the pipe as well."""
    with suppress(OSError):
        os.write(1, message.encode())
    os.close(1)


def main() -> int:
    order = json.loads(sys.argv[1])
    stops = [(signal.Signals[name], seconds) for name, seconds in order["stops"]]
    try:
        log = BoundedLog(Path(order["log"])) if order["log"] else PassedOn()
        server = start_server(order, stops[0][0])
    except (OSError, subprocess.SubprocessError) as exc:
        answer(str(exc))
        return 1
    answer(str(server.pid))
    output = server.stdout.fileno() if server.stdout else -1
    if runs_until_released(output, log, order["parent"]):
        for stop_signal, seconds in stops:
            server.send_signal(stop_signal)
            if ends_within(seconds, output, log):
                break
    return exit_status(server)


if __name__ == "__main__":
    # Not through the interpreter's shutdown, which flushes the output that is closed.
    os._exit(main())
