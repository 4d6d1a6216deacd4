"""The terminal while the screen is shown: keys are read one by one, and everything is restored at the end."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_END_KEYS: Final = frozenset(b"qQ\x04")
_MAXIMUM_KEYS: Final = 1024


@contextmanager
def ending_key(ended: asyncio.Event) -> Iterator[None]:
    """Set the event when `q` is pressed. Without a keyboard, nothing is done."""
    if not sys.stdin.isatty():
        yield
        return
    fd = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    modes = termios.tcgetattr(fd)

    def read() -> None:
        keys = os.read(fd, _MAXIMUM_KEYS)
        # Nothing to read: the terminal is gone.
        if not keys or _END_KEYS.intersection(keys):
            ended.set()

    tty.setcbreak(fd)
    loop.add_reader(fd, read)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, modes)
