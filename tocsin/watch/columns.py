"""Tables that fit a width: the columns that matter most stay, and what is left goes to those that can use it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

Row = TypeVar("Row")
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column of texts. It needs `width` characters, and may get up to `most`; the least `rank` matters most.

    One column has None as its heading: the table's title stands there, and it gets its `most` whatever it shows, so
    that tables below one another agree.
    """

    heading: str | None
    cell: Callable[[Row], str | Text]
    rank: int
    width: int
    most: int = 0
    right: bool = False


def fit(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> list[tuple[Column[Row], int]]:
    """The columns that fit beside one another, in their order, with the width that each can use for these rows."""
    left = width + _GAP
    widths: dict[int, int] = {}
    for column in sorted(columns, key=lambda column: column.rank):
        if column.width + _GAP <= left:
            widths[column.rank] = column.width
            left -= column.width + _GAP
    for column in sorted(columns, key=lambda column: column.rank):
        if column.rank in widths and column.most > column.width:
            added = max(min(_use(column, rows) - column.width, left), 0)
            widths[column.rank] += added
            left -= added
    return [(column, widths[column.rank]) for column in columns if column.rank in widths]


def _use(column: Column[Row], rows: Iterable[Row]) -> int:
    if column.heading is None:
        return column.most
    return min(column.most, max((_text(column.cell(row)).cell_len for row in rows), default=0))


def table(title: str, fitted: Sequence[tuple[Column[Row], int]], rows: Iterable[Row]) -> Table:
    """One line for the title and the headings, and one for each row."""
    grid = Table(box=None, header_style="", padding=(0, _GAP, 0, 0), pad_edge=False)
    for column, width in fitted:
        heading = Text(title, "bold") if column.heading is None else Text(column.heading, "dim")
        justify: JustifyMethod = "right" if column.right else "left"
        grid.add_column(heading, width=width, no_wrap=True, overflow="ellipsis", justify=justify)
    for row in rows:
        grid.add_row(*(_text(column.cell(row)) for column, _ in fitted))
    return grid


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)
