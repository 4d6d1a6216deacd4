"""Where the servers keep their data, logs and sockets, and the lock that gives them to one program at a time."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from tocsin.embedded.accounts import Account
from tocsin.embedded.errors import EmbeddedServerError

LOCK_NAME = "tocsin.lock"
LINK_NAME = "servers"
# macOS takes 103 bytes, Linux 107.
SOCKET_PATH_LIMIT_BYTES = 103
LONGEST_SOCKET_NAME = "/.s.PGSQL.5432.lock"
# What neither a DSN nor a list of folders in a server's setting would split or need to quote.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")
# A little more than the guards take to stop the servers of a program that was killed.
LEFTOVER_SECONDS = 10.0
LOCK_POLL_SECONDS = 0.05

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Folders:
    data_dir: Path
    """The folder that the caller named."""
    home: Path
    """What holds the servers' folders: `data_dir`, or elsewhere when the servers' account cannot enter that."""
    sockets: Path
    lock_fd: int

    @property
    def log(self) -> Path:
        return self.home / "log"


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Hold the folder's lock; yields the lock file's descriptor.

    Servers inherit it, so the lock is free only when no process of theirs is left: then leftovers of a killed run
    are known to be stale.
    """
    lock_fd = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        take_lock(lock_fd, data_dir)
        write_owner(lock_fd, {})
        yield lock_fd
    finally:
        os.close(lock_fd)


def take_lock(lock_fd: int, data_dir: Path) -> None:
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while True:
        try:
            return fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = read_owner(data_dir).get("pid")
            if is_alive(owner) or time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"the data folder {data_dir} is in use by process {owner}: stop that one, or choose another folder"
                ) from None
            # The owner was killed: its servers are being stopped.
            time.sleep(LOCK_POLL_SECONDS)


def write_owner(lock_fd: int, urls: dict[str, str]) -> None:
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, json.dumps({"pid": os.getpid(), **urls}).encode(), 0)


def read_owner(data_dir: Path) -> dict[str, object]:
    try:
        owner = json.loads((data_dir / LOCK_NAME).read_text())
    except (OSError, ValueError):
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


def make_data_dir(data_dir: Path) -> Path:
    data_dir = data_dir.expanduser().absolute()
    try:
        if not data_dir.exists():
            # The servers' account must pass through root's folder to its own ones.
            data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True)
    except OSError as exc:
        raise EmbeddedServerError(f"cannot make the data folder {data_dir} ({exc.strerror}): choose another") from exc
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise EmbeddedServerError(
            f"no right to write in the data folder {data_dir}: choose another, or run as its owner"
        )
    return data_dir


def existing_home(data_dir: Path) -> Path:
    link = data_dir / LINK_NAME
    return link.resolve() if link.is_symlink() else data_dir


def find_home(data_dir: Path, account: Account) -> Path:
    """The folder for the servers' data, which their account can enter."""
    home = existing_home(data_dir)
    if home.is_dir() and account.can_enter(home):
        return home
    home = Path(tempfile.mkdtemp(prefix="data-", dir=find_store()))
    home.chmod(0o711)
    link = data_dir / LINK_NAME
    link.unlink(missing_ok=True)
    link.symlink_to(home)
    _logger.info("embedded servers keep their data outside the data folder", data_dir=str(data_dir), home=str(home))
    return home


def find_store() -> Path:
    """A folder of root's own that everybody can enter and that outlives a restart of the machine."""
    for parent in (Path("/var/lib"), Path("/var/tmp")):
        store = parent / "tocsin"
        with contextlib.suppress(OSError):
            store.mkdir(mode=0o755, exist_ok=True)
            if store.stat().st_uid == os.geteuid():
                store.chmod(0o755)
                return store
    raise EmbeddedServerError("root finds no folder for its servers in /var/lib or /var/tmp: run as an ordinary user")


@contextlib.contextmanager
def socket_folder(home: Path, account: Account) -> Iterator[Path]:
    """A folder for the sockets: in `home`, or in the system's temporary folder when its path does not suit sockets."""
    folder = home / "run"
    if not fits_sockets(folder):
        folder = Path(tempfile.mkdtemp(prefix="tocsin-", dir=temporary_parent(account)))
    shutil.rmtree(folder, ignore_errors=True)
    account.own(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fits_sockets(folder: Path) -> bool:
    path = f"{folder}{LONGEST_SOCKET_NAME}"
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES and PLAIN_PATH.fullmatch(path) is not None


def temporary_parent(account: Account) -> Path:
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):
        if fits_sockets(parent / "tocsin-12345678") and account.can_enter(parent):
            return parent
    raise EmbeddedServerError("no folder is short enough for the servers' sockets: set TMPDIR to a shorter one")
