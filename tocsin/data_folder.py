"""The option of commands that names an installation, and work on its database."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from tocsin.installation import default_data_dir, find_servers
from tocsin.problems import exit_plainly

if TYPE_CHECKING:
    from tocsin.database import Connection

T = TypeVar("T")

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="TOCSIN_DATA_DIR",
        readable=False,  # not asked by typer, which names no remedy
        help="Folder of the running `tocsin up`; not used with own servers.",
    ),
]
DEFAULT_DATA_DIR: Final = default_data_dir(os.environ)


def with_database(data_dir: Path, work: "Callable[[Connection], Awaitable[T]]") -> T:
    """Run the work with the rights of the migrator, who alone may do all that commands do."""
    with exit_plainly():
        return asyncio.run(_connected(find_servers(data_dir, os.environ).database_url, work))


async def _connected(database_url: str, work: "Callable[[Connection], Awaitable[T]]") -> T:
    import asyncpg  # noqa: PLC0415 - other commands start faster without it

    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        return await work(connection)
    finally:
        await connection.close()
