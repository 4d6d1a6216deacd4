"""Figures: what was measured against which goal, shown as a table or as lines of JSON."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement and its goal. `met` is None where there is no goal, or its reference was not at hand."""

    subject: str
    goal: str
    measured: str
    met: bool | None
    detail: str = ""


def ratio(subject: str, reference: str, value: float, at_most: float, detail: str) -> Figure:
    """A cost as a multiple of a reference's."""
    return Figure(subject, f"<= {at_most:.3g}x {reference}", f"{value:.3g}x", value <= at_most, detail)


def not_at_hand(subject: str, reference: str) -> Figure:
    """A comparison that this machine cannot make."""
    return Figure(subject, f"against {reference}", "not measured", None, f"{reference} is not at hand")


def table(figures: Sequence[Figure]) -> Table:
    """All figures, one a row."""
    shown = Table("what", "goal", "measured", "", "how (CPU-ms are per 1,000 operations)")
    for figure in figures:
        shown.add_row(figure.subject, figure.goal, figure.measured, _VERDICTS[figure.met], figure.detail)
    return shown


_VERDICTS = {True: "[green]met[/]", False: "[red]MISSED[/]", None: "-"}


def publish(figures: Sequence[Figure]) -> None:
    """Print a benchmark's figures: a table, or with `--json` one object a line."""
    if "--json" in sys.argv:
        for figure in figures:
            print(json.dumps(asdict(figure)))
    else:
        Console().print(table(figures))
