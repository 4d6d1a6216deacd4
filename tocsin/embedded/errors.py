"""What keeps embedded servers from running."""

import os
from contextlib import suppress
from pathlib import Path


class EmbeddedServerError(Exception):
    """An embedded server cannot run; the message names what is wrong and what helps."""


def folder_refused(data_dir: Path, exc: OSError) -> EmbeddedServerError:
    """The system keeps this user from a data folder."""
    with suppress(OSError, KeyError):
        if data_dir.stat().st_uid != os.geteuid():
            owner = data_dir.owner()
            return EmbeddedServerError(
                f"the data folder {data_dir} belongs to {owner}: run as {owner}, or choose another one with --data-dir"
            )
    return EmbeddedServerError(f"cannot use the data folder {data_dir} ({exc}): choose another one with --data-dir")
