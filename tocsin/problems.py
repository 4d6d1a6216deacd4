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
    except Exception as exc:
        words = plain_words(exc)
        if words is None:
            raise
        raise _exit(words, 1) from exc


def plain_words(exc: Exception) -> str | None:
    """What a person is told; None for an error in the program."""
    # Only now: a command that succeeds starts faster without them.
    import asyncpg  # noqa: PLC0415

    from tocsin.domain.errors import TocsinError  # noqa: PLC0415
    from tocsin.embedded import EmbeddedServerError  # noqa: PLC0415
    from tocsin.migrate import MigrationError  # noqa: PLC0415
    from tocsin.telemetry import masked  # noqa: PLC0415

    if isinstance(exc, (EmbeddedServerError, MigrationError, TocsinError)):
        return str(exc)
    if isinstance(exc, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        reason = masked(str(exc)) or type(exc).__name__
        return f"the database cannot be used ({reason}); check that it runs, and TOCSIN_DATABASE_URL"
    return None


def _exit(problem: str, status: int) -> typer.Exit:
    typer.echo(f"tocsin: {problem}", err=True)
    return typer.Exit(status)
