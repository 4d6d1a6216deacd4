"""The program: what the feed tells becomes a screen that lives, or a line each."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Final

from rich.console import Console
from rich.live import Live

from tocsin.output import give_up_output
from tocsin.watch.address import Address, read_address
from tocsin.watch.errors import TOKEN_REMEDY, WatchError
from tocsin.watch.feed import Feed
from tocsin.watch.model import Event, State, apply
from tocsin.watch.plain import lines
from tocsin.watch.terminal import ending_key
from tocsin.watch.view import Screen

# Ages grow by the second; what happens is shown sooner, but not each event alone.
_TICK_SECONDS: Final = 1.0
_SHORTEST_PAUSE_SECONDS: Final = 0.2
_ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def watch(url: str, token: str | None, local_token: Callable[[], str | None], *, plain: bool) -> None:
    """Watch until a key or a signal ends it. Raises WatchError.

    `local_token` finds the token of an installation on this machine; it is sent to no other.
    """
    address = read_address(url)
    token = (token or "").strip() or (local_token() if address.is_local else None)
    if not token:
        raise WatchError(f"no token; {TOKEN_REMEDY}")
    if isinstance(sys.stdout, TextIOWrapper):
        # Whatever the terminal can show, a sign that it cannot stops nothing.
        sys.stdout.reconfigure(errors="replace")
    try:
        asyncio.run(_watch(address, token, plain=plain or not _can_draw()))
    except BrokenPipeError:
        # Who stops reading the lines has ended it.
        give_up_output()


def _can_draw() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


async def _watch(address: Address, token: str, *, plain: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDING_SIGNALS:
        loop.add_signal_handler(number, ended.set)
    if plain:
        printer = Printer()
        await _first_of(ended.wait(), Feed(address, token, printer.tell).run(), printer.print())
        return
    picture = Picture(address)
    loop.add_signal_handler(signal.SIGWINCH, picture.changed.set)
    with ending_key(ended):
        await _first_of(ended.wait(), Feed(address, token, picture.tell).run(), picture.draw())


async def _first_of(*works: Awaitable[object]) -> None:
    """End everything with what ends first, and raise what it raises."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


class Printer:
    """Prints a line for each event."""

    def __init__(self) -> None:
        self._events = asyncio.Queue[Event]()
        self._state = State()

    def tell(self, event: Event) -> None:
        self._events.put_nowait(event)

    async def print(self) -> None:
        """Print until cancelled."""
        while True:
            event = await self._events.get()
            for line in lines(self._state, event, datetime.now(UTC)):
                sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            self._state = apply(self._state, event)


class Picture:
    """Draws what is known, as often as it changes."""

    def __init__(self, address: Address) -> None:
        self.changed = asyncio.Event()
        self._url = address.url
        self._state = State()

    def tell(self, event: Event) -> None:
        self._state = apply(self._state, event)
        self.changed.set()

    async def draw(self) -> None:
        """Draw until cancelled; then the terminal shows what it showed before."""
        with Live(console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                self.changed.clear()
                live.update(Screen(self._state, self._url, datetime.now().astimezone()), refresh=True)
                await asyncio.sleep(_SHORTEST_PAUSE_SECONDS)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), _TICK_SECONDS)
