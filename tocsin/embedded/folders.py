"""Where the servers keep their data, logs and sockets."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from tocsin.embedded.accounts import Account
from tocsin.embedded.errors import EmbeddedServerError
from tocsin.embedded.lock import locked

LINK_NAME = "servers"
# In a home elsewhere: the data folder that leads to it, so that data whose folder is gone can be told apart.
OWNER_NAME = "data-folder"
HOME_PREFIX = "data-"
STORES = (Path("/var/lib/tocsin"), Path("/var/tmp/tocsin"))  # noqa: S108 - used only where it belongs to root
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"
# macOS takes 103 bytes, Linux 107.
SOCKET_PATH_LIMIT_BYTES = 103
# What a DSN, or a list of folders in a server's setting, holds without quoting.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Folders:
    """The folders of one run. `home` holds data and logs; `data_dir` is what the caller named, mostly the same."""

    data_dir: Path
    home: Path
    sockets: Path
    lock_fd: int

    @property
    def log(self) -> Path:
        return self.home / "log"


@contextmanager
def opened(data_dir: Path, lock_fd: int, account: Account, *, throwaway: bool) -> Iterator[Folders]:
    """Make what the servers need; at the end remove the sockets, and data that is thrown away."""
    with ExitStack() as stack:
        home = existing_home(data_dir)
        if not home.is_dir() or not account.can_enter(home):
            home = stack.enter_context(temporary_folder(account)) if throwaway else home_elsewhere(data_dir)
        if home != data_dir:
            # A copy of the data folder leads to the same home.
            stack.enter_context(locked(home))
            (home / OWNER_NAME).write_text(f"{data_dir}\n")
            _logger.info("embedded servers keep their data elsewhere", data_dir=str(data_dir), home=str(home))
        parent = home if fits_sockets(home) else stack.enter_context(temporary_folder(account))
        folders = Folders(data_dir, home, parent / "run", lock_fd)
        folders.log.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(folders.sockets, ignore_errors=True)
        stack.callback(shutil.rmtree, account.own(folders.sockets), ignore_errors=True)
        yield folders


def make_data_dir(data_dir: Path) -> Path:
    data_dir = data_dir.expanduser().absolute()
    # The servers' account passes through root's folder to its own ones.
    data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    return data_dir


def existing_home(data_dir: Path) -> Path:
    """Where the data is. Raises EmbeddedServerError when it was elsewhere and is gone."""
    link = data_dir / LINK_NAME
    if link.is_symlink() and not link.exists():
        raise EmbeddedServerError(
            f"the data of {data_dir} was in {link.readlink()}, which is gone: "
            f"put it back, or remove {link} to start anew"
        )
    return link.resolve() if link.is_symlink() else data_dir


def home_elsewhere(data_dir: Path) -> Path:
    """A folder that the account can enter, linked from the data folder, whose next start finds it there."""
    home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX, dir=find_store()))
    home.chmod(0o711)
    link = data_dir / LINK_NAME
    link.unlink(missing_ok=True)
    link.symlink_to(home)
    return home


def find_store() -> Path:
    """A folder of root's own that everybody can enter and that outlives a restart of the machine."""
    for store in STORES:
        with suppress(OSError):
            store.mkdir(exist_ok=True)
            if not store.is_symlink() and store.stat().st_uid == os.geteuid():
                store.chmod(0o755)
                return store
    raise EmbeddedServerError("found no folder for the servers in /var/lib or /var/tmp: run as an ordinary user")


@contextmanager
def temporary_folder(account: Account) -> Iterator[Path]:
    """A folder short enough for sockets, which the account can enter."""
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - the folder in it is private
        if fits_sockets(parent / "tocsin-12345678") and account.can_enter(parent):
            break
    else:
        raise EmbeddedServerError("the temporary folder's path is too long for sockets: set TMPDIR to a shorter one")
    folder = Path(tempfile.mkdtemp(prefix="tocsin-", dir=parent))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fits_sockets(home: Path) -> bool:
    path = str(home / "run" / LONGEST_SOCKET_NAME)
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES and PLAIN_PATH.fullmatch(path) is not None
