"""Draws `docs/watch.svg` from `docs/watch.json`: `.venv/bin/python -m docs.make_watch_picture`.

The JSON is what the API told `tocsin watch` while `tocsin up` ran its demo: a page of checks, and the status changes of
the minutes before.
"""

import json
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from tocsin.watch.model import Loaded, State, apply
from tocsin.watch.view import screen
from tocsin.watch.wire import read_checks, read_organization, status_changed

FOLDER: Final = Path(__file__).parent
WIDTH: Final = 126
HEIGHT: Final = 20
THEME: Final = TerminalTheme(
    (24, 27, 33),
    (216, 220, 228),
    [
        (36, 40, 48),
        (240, 98, 98),
        (126, 196, 110),
        (231, 184, 88),
        (106, 168, 240),
        (200, 140, 230),
        (94, 194, 204),
        (216, 220, 228),
    ],
)


def captured_state(capture: dict[str, Any]) -> State:
    """What a watcher knew at that moment."""
    page = capture["checks"]
    state = State()
    for change in capture["statusChanges"]:
        state = apply(state, status_changed(change))
    return apply(state, Loaded(read_organization(page), tuple(read_checks(page))))


def picture(capture: dict[str, Any]) -> str:
    """The screen as SVG."""
    now = datetime.fromisoformat(capture["at"])
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(screen(captured_state(capture), "", now, WIDTH, HEIGHT))
    # Without this, some viewers leave out the spaces at the edges of words.
    return console.export_svg(title="tocsin watch", theme=THEME).replace("<svg ", '<svg xml:space="preserve" ', 1)


if __name__ == "__main__":
    (FOLDER / "watch.svg").write_text(picture(json.loads((FOLDER / "watch.json").read_text())))
