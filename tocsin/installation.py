"""Where an installation keeps its data, and which servers it works on."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tocsin.settings import Servers, SettingsError, read_servers

DATABASE_VARIABLE: Final = "TOCSIN_DATABASE_URL"
REDIS_VARIABLE: Final = "TOCSIN_REDIS_URL"
TOKEN_FILE: Final = "token"  # noqa: S105 - a name


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


def kept_token(data_dir: Path) -> str | None:
    """The owner's token that is kept in the data folder. None where there is none, or not for this user."""
    try:
        return (data_dir / TOKEN_FILE).read_text().strip() or None
    except OSError:
        return None


def keep_token(data_dir: Path, make: Callable[[], str]) -> str:
    """The owner's token of this data folder, made at the first call, readable for its owner alone."""
    if token := kept_token(data_dir):
        return token
    token = make()
    # Complete under its name, or not there at all.
    fresh = data_dir / f"{TOKEN_FILE}.new"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{token}\n")
    fresh.rename(data_dir / TOKEN_FILE)
    return token
