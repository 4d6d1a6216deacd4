"""The locks on a data folder: one for the program, and one for its children."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.embedded.errors import EmbeddedServerError, folder_refused
from tocsin.settings import Servers

PROGRAM_FILE = "tocsin.lock"
CHILDREN_FILE = "children.lock"
# Somebody who asks for running servers holds the program's lock for a moment.
PROGRAM_SECONDS = 0.2
# A little more than it takes to stop the children of a program that was killed.
CHILDREN_SECONDS = 10.0
POLL_SECONDS = 0.02


@contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Hold both locks; yields a descriptor for the children to inherit.

    They hold theirs through it, so it is free only when all of them are gone: what they left is known to be stale.
    Raises EmbeddedServerError at once when another program holds the folder, and when children of one that was killed
    do not end in time.
    """
    with opened(data_dir / PROGRAM_FILE) as program_fd, opened(data_dir / CHILDREN_FILE) as children_fd:
        if not acquire(program_fd, PROGRAM_SECONDS):
            raise _in_use(data_dir, read_owner(program_fd))
        write_owner(data_dir)
        if not acquire(children_fd, CHILDREN_SECONDS):
            raise EmbeddedServerError(
                f"processes of an earlier run still use the data folder {data_dir}: end them, or choose another folder"
            )
        yield children_fd


def require_idle(data_dir: Path) -> None:
    """Raise EmbeddedServerError when another program runs on the folder now, or when it is another user's."""
    if (owner := _running_owner(data_dir)) is not None:
        raise _in_use(data_dir, owner)


def _in_use(data_dir: Path, owner: dict[str, object]) -> EmbeddedServerError:
    pid = owner.get("pid")
    if url := owner.get("api_url"):
        return EmbeddedServerError(
            f"Tocsin runs already on the data folder {data_dir}, as process {pid}, at {url}: "
            "use that one, stop it first, or choose another folder with --data-dir"
        )
    return EmbeddedServerError(
        f"the data folder {data_dir} is in use by process {pid}: stop that process, or choose another folder"
    )


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def acquire(fd: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def write_owner(data_dir: Path, **urls: str) -> None:
    """Say whose the folder is, and where its servers are; for the holder of the lock."""
    (data_dir / PROGRAM_FILE).write_text(json.dumps({"pid": os.getpid(), **urls}))


def write_api_url(data_dir: Path, url: str) -> None:
    """Say where the API is, besides; for the holder of the lock."""
    file = data_dir / PROGRAM_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), "api_url": url}))


def read_owner(fd: int) -> dict[str, object]:
    try:
        owner = json.loads(os.pread(fd, 4096, 0))
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def running_servers(data_dir: Path) -> Servers | None:
    """The servers that another program runs on this folder now, so that a second command can reach them.

    Raises EmbeddedServerError when the folder is another user's.
    """
    owner = _running_owner(data_dir) or {}
    if "database_url" not in owner or "redis_url" not in owner:
        return None
    return Servers(str(owner["database_url"]), str(owner["redis_url"]))


def _running_owner(data_dir: Path) -> dict[str, object] | None:
    """What the program that runs on the folder now says of itself; None without one."""
    try:
        if not (data_dir / PROGRAM_FILE).exists():
            return None
        with opened(data_dir / PROGRAM_FILE) as fd:
            return None if acquire(fd, 0) else read_owner(fd)
    except OSError as exc:
        raise folder_refused(data_dir, exc) from exc
