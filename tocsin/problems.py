"""Problems that a person can solve: one line each, and never a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from tocsin.settings import SettingsError

WRONG_SETTING_STATUS: Final = 2


@contextmanager
def exit_plainly() -> Iterator[None]:
    """End the program with one line for what is a person's to solve: status 2 for a wrong setting, else 1."""
    try:
        yield
    except SettingsError as exc:
        raise _exit(str(exc), WRONG_SETTING_STATUS) from exc
    except BrokenPipeError:
        raise
    except Exception as exc:
        if not _is_solvable(exc):
            raise
        raise _exit(plain_words(exc), 1) from exc


def _is_solvable(exc: Exception) -> bool:
    # Only now: a command that succeeds starts faster without them.
    from asyncpg import InterfaceError, PostgresError  # noqa: PLC0415

    from tocsin.domain.errors import TocsinError  # noqa: PLC0415
    from tocsin.embedded import EmbeddedServerError  # noqa: PLC0415
    from tocsin.migrate import MigrationError  # noqa: PLC0415
    from tocsin.watch.errors import WatchError  # noqa: PLC0415

    ours = (EmbeddedServerError, MigrationError, TocsinError, WatchError)
    return isinstance(exc, (*ours, PostgresError, InterfaceError, OSError))


def plain_words(exc: Exception) -> str:
    """What a person is told. What is not our own is an error of the database or on the way to it."""
    from asyncpg import InterfaceError, PostgresError  # noqa: PLC0415 - as above

    from tocsin.logs import masked  # noqa: PLC0415

    reason = masked(str(exc)) or type(exc).__name__
    if isinstance(exc, OSError) and exc.filename is not None:
        return reason
    if isinstance(exc, (PostgresError, InterfaceError, OSError)):
        return f"the database cannot be used ({reason}); check that it runs, and TOCSIN_DATABASE_URL"
    return reason


def _exit(problem: str, status: int) -> typer.Exit:
    typer.echo(f"tocsin: {problem}", err=True)
    return typer.Exit(status)
