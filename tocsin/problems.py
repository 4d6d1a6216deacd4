"""Problems that a person can solve: one line each, and never a traceback."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tocsin.output import give_up_output
from tocsin.settings import WRONG_SETTING_STATUS, SettingsError

# No way to a server fails so: it is a file, or standard output.
_NOT_WRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


@contextmanager
def exit_plainly() -> Iterator[None]:
    """End the program with one line for what is a person's to solve: status 2 for a wrong setting, else 1.

    Where nobody reads what it says any more, it ends in silence.
    """
    try:
        yield
    except SettingsError as exc:
        raise _exit(str(exc), WRONG_SETTING_STATUS) from exc
    except BrokenPipeError:
        give_up_output()
        raise SystemExit(1) from None
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
    if isinstance(exc, OSError) and exc.errno in _NOT_WRITTEN:
        return f"cannot write ({reason}); make room on the disk, or write elsewhere"
    if isinstance(exc, OSError) and exc.filename is not None:
        return reason
    if isinstance(exc, (PostgresError, InterfaceError, OSError)):
        return f"the database cannot be used ({reason}); check that it runs, and TOCSIN_DATABASE_URL"
    return reason


def _exit(problem: str, status: int) -> SystemExit:
    try:
        sys.stdout.flush()
    except OSError:
        give_up_output()
    sys.stderr.write(f"tocsin: {problem}\n")
    return SystemExit(status)
