"""Where an installation keeps its data, and which servers it works on."""

import os
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Final

from tocsin.settings import Servers, SettingsError, read_servers

DATABASE_VARIABLE: Final = "TOCSIN_DATABASE_URL"
REDIS_VARIABLE: Final = "TOCSIN_REDIS_URL"
KEYS_VARIABLE: Final = "TOCSIN_ENCRYPTION_KEYS"
TOKEN_FILE: Final = "token"  # noqa: S105 - a name
KEYS_FILE: Final = "encryption-keys"


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Where the data is, or goes, unless a command is told otherwise: where `make up` has it, or the user's folder."""
    with suppress(OSError):  # of a folder that this user cannot enter
        if (here := Path(".tocsin")).is_dir():
            return here
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/tocsin").expanduser()
    base = Path(environment.get("XDG_DATA_HOME", ""))
    # The specification wants relative paths ignored.
    return (base if base.is_absolute() else Path("~/.local/share").expanduser()) / "tocsin"


def own_servers(environment: Mapping[str, str]) -> Servers | None:
    """The servers that the environment names; None when it names none. Raises SettingsError, also for half of them."""
    database_url, redis_url = environment.get(DATABASE_VARIABLE), environment.get(REDIS_VARIABLE)
    if database_url and redis_url:
        return read_servers(environment)
    if database_url or redis_url:
        given, missing = (DATABASE_VARIABLE, REDIS_VARIABLE) if database_url else (REDIS_VARIABLE, DATABASE_VARIABLE)
        raise SettingsError(f"{missing} is not set, but {given} is; set both, or neither for embedded servers")
    return None


def find_servers(data_dir: Path, environment: Mapping[str, str]) -> Servers:
    """The servers that the environment names, or those that `tocsin up` runs on the data folder now.

    Raises SettingsError when there are neither, and EmbeddedServerError when the folder is another user's.
    """
    from tocsin.embedded import running_servers  # noqa: PLC0415 - most commands start faster without it

    servers = own_servers(environment) or running_servers(data_dir)
    if servers is None:
        raise SettingsError(
            f"{DATABASE_VARIABLE} is not set, and no `tocsin up` runs on {data_dir}; "
            "start it, name its folder with --data-dir, or set the variable"
        )
    return servers


def with_servers(environment: Mapping[str, str], servers: Servers) -> dict[str, str]:
    """The environment of a process that works on these servers."""
    return {**environment, DATABASE_VARIABLE: servers.database_url, REDIS_VARIABLE: servers.redis_url}


def with_kept_keys(environment: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    """The environment with the keys of secrets that `tocsin up` keeps in its data folder, unless it has others."""
    kept = _kept(data_dir / KEYS_FILE)
    return {**environment} if environment.get(KEYS_VARIABLE) or not kept else {**environment, KEYS_VARIABLE: kept}


def keep_keys(data_dir: Path) -> str:
    """A key of secrets for this data folder, made at the first call, readable for its owner alone."""
    # An id of its own tells it from other keys that may be set later.
    return _keep(data_dir / KEYS_FILE, lambda: f"up-{token_hex(4)}:{b64encode(token_bytes(32)).decode()}")


def kept_token(data_dir: Path) -> str | None:
    """The owner's token that is kept in the data folder. None where there is none, or not for this user."""
    return _kept(data_dir / TOKEN_FILE)


def _kept(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def keep_token(data_dir: Path, make: Callable[[], str]) -> str:
    """The owner's token of this data folder, made at the first call, readable for its owner alone."""
    return _keep(data_dir / TOKEN_FILE, make)


def _keep(path: Path, make: Callable[[], str]) -> str:
    if kept := _kept(path):
        return kept
    text = make()
    # Complete under its name, or not there at all.
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")
    fresh.rename(path)
    return text
