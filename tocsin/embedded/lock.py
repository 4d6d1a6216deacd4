"""The lock on a data folder: one program at a time, and for as long as any process of its servers lives."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.embedded.errors import EmbeddedServerError
from tocsin.settings import Servers

FILE_NAME = "tocsin.lock"
# A little more than it takes to stop the servers of a program that was killed.
LEFTOVER_SECONDS = 10.0
POLL_SECONDS = 0.05


@contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Hold the lock; yields the descriptor of its file, for the servers' processes to inherit.

    So the lock is free only when none of them is left, and what a killed run left is known to be stale.
    """
    lock_fd = os.open(data_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        take(lock_fd, data_dir)
        write_owner(lock_fd)
        yield lock_fd
    finally:
        os.close(lock_fd)


def take(lock_fd: int, data_dir: Path) -> None:
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while True:
        try:
            return fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = read_owner(lock_fd).get("pid")
        # When the owner was killed, its servers are just being stopped.
        if is_alive(pid) or time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"the data folder {data_dir} is in use by process {pid}: stop that process, or choose another folder"
            )
        time.sleep(POLL_SECONDS)


def write_owner(lock_fd: int, **urls: str) -> None:
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, json.dumps({"pid": os.getpid(), **urls}).encode(), 0)


def read_owner(lock_fd: int) -> dict[str, object]:
    try:
        owner = json.loads(os.pread(lock_fd, 4096, 0))
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def is_alive(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def running_servers(data_dir: Path) -> Servers | None:
    """The servers that another program runs on this folder now, so that a second command can reach them.

    Raises EmbeddedServerError when the folder is another user's.
    """
    try:
        lock_fd = os.open(data_dir / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise EmbeddedServerError(f"cannot read the data folder {data_dir} ({exc}): run as its owner") from exc
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = read_owner(lock_fd)
    else:
        return None
    finally:
        os.close(lock_fd)
    if "database_url" not in owner or "redis_url" not in owner:
        return None
    return Servers(str(owner["database_url"]), str(owner["redis_url"]))
