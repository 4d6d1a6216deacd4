"""The folder in which all processes count, so that one page shows what the whole platform does."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LINK: Final = "metrics"
PREFIX: Final = "tocsin-metrics-"
# The files are mapped into memory: on a disk that runs full, counting would kill a process (SIGBUS).
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder in it is private


@contextmanager
def shared_metrics(data_dir: Path) -> Iterator[Path]:
    """Make the folder, linked from the data folder, and remove what a killed run left of it."""
    link = data_dir / LINK
    if link.is_symlink():
        if link.readlink().name.startswith(PREFIX):
            shutil.rmtree(link.readlink(), ignore_errors=True)
        link.unlink()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None))
    link.symlink_to(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        link.unlink(missing_ok=True)
