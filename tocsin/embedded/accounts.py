"""Which account the servers run as: PostgreSQL refuses to run as root."""

import os
import pwd
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.embedded.errors import EmbeddedServerError

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """Who the servers run as; `uid` and `gid` are None for an ordinary user, whose servers run as that user."""

    uid: int | None = None
    gid: int | None = None

    def identity(self) -> dict[str, Any]:
        """The arguments of `subprocess.Popen` that make a child run as this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, folder: Path) -> Path:
        """Make the folder, for this account alone."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)
        return folder

    def can_run(self, *command: str | Path) -> bool:
        """Whether the command succeeds as this account: asked of the system, as access lists and mounts matter too."""
        try:
            done = subprocess.run(  # noqa: S603 - our own binaries
                command, cwd="/", env={}, capture_output=True, check=False, **self.identity()
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can reach what lies in the folder."""
        return self.can_run("/bin/sh", "-c", 'cd -- "$1"', "sh", folder)


def choose_account(data: Path) -> Account:
    """The current user; for root the owner of the data when there is one, else the first candidate there is."""
    if os.geteuid() != 0:
        return Account()
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in CANDIDATES:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            account = Account(entry.pw_uid, entry.pw_gid)
            if account.can_run("/bin/sh", "-c", ":"):
                return account
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and root cannot become {' or '.join(CANDIDATES)}: run as an ordinary user"
    )
