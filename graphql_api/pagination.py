"""Relay connections over keysets: a cursor names the last row, so pages stay stable while rows come and go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import strawberry
from graphql import GraphQLError

from graphql_api.ids import LARGEST_KEY
from tocsin.domain.global_ids import decode, encode

MAXIMUM_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 20

T = TypeVar("T")
Row = TypeVar("Row")

First = Annotated[int, strawberry.argument(description=f"How many to return: 1 to {MAXIMUM_PAGE_SIZE}.")]
After = Annotated[
    str | None, strawberry.argument(description="Return what comes after this cursor, which an earlier page gave.")
]


@dataclass(frozen=True, slots=True)
class Page:
    """At most `first` rows after the row that `after` names."""

    first: int
    after: tuple[int, ...] | None

    @property
    def after_key(self) -> int | None:
        """The key of that row, where cursors hold nothing else."""
        return None if self.after is None else self.after[0]

    @property
    def limit(self) -> int:
        """One row more than asked for, which tells whether there is a next page."""
        return self.first + 1


def page_of(kind: str, first: int, after: str | None, *, width: int = 1) -> Page:
    """Read the arguments of a connection whose cursors hold `width` numbers. Raises GraphQLError."""
    if not 1 <= first <= MAXIMUM_PAGE_SIZE:
        raise invalid_argument("first", f"must be from 1 to {MAXIMUM_PAGE_SIZE}")
    if after is None:
        return Page(first, None)
    match decode(after):
        case (found, numbers) if found == _cursor_kind(kind) and len(numbers) == width and _are_keys(numbers):
            return Page(first, numbers)
    raise foreign_cursor()


def _are_keys(numbers: tuple[int, ...]) -> bool:
    return all(-LARGEST_KEY <= number <= LARGEST_KEY for number in numbers)


def _cursor_kind(kind: str) -> str:
    return f"after-{kind}"


def invalid_argument(name: str, message: str) -> GraphQLError:
    """The error for an argument of a query that cannot be used."""
    problems = [{"path": name, "message": message}]
    return GraphQLError(f"{name} {message}", extensions={"code": "INVALID_INPUT", "problems": problems})


def foreign_cursor() -> GraphQLError:
    return invalid_argument("after", "must be a cursor that an earlier page of this connection gave")


@strawberry.type(description="Where a page stands among all of its connection.")
class PageInfo:
    """The Relay type."""

    has_next_page: bool = strawberry.field(description="Whether more follow after this page.")
    has_previous_page: bool = strawberry.field(description="Whether this page was asked for with `after`.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge; `after` takes it.")


@strawberry.type(description="One object of a connection, and its place in it.")
class Edge(Generic[T]):
    """The Relay type."""

    cursor: str = strawberry.field(description="Place in the connection; `after` takes it.")
    node: T = strawberry.field(description="The object itself.")


@strawberry.type(description="A page of objects in a stable order.")
class Connection(Generic[T]):
    """The Relay type, and `nodes` for clients that need no cursors."""

    page_info: PageInfo = strawberry.field(description="Where this page stands.")
    edges: list[Edge[T]] = strawberry.field(description="The objects of this page, with their cursors.")
    nodes: list[T] = strawberry.field(description="The objects of this page.")


def connect(
    kind: str,
    page: Page,
    rows: Sequence[Row],
    node: Callable[[Row], T],
    place: Callable[[Row], tuple[int, ...]],
    *,
    more: bool = False,
) -> Connection[T]:
    """Make a connection of the rows that `page.limit` let through; `place` gives the numbers of a row's cursor.

    `more` says that there are further ones than these, where rows come without the one that tells.
    """
    shown = rows[: page.first]
    cursors = [encode(_cursor_kind(kind), *place(row)) for row in shown]
    nodes = [node(row) for row in shown]
    info = PageInfo(
        has_next_page=more or len(rows) > page.first,
        has_previous_page=page.after is not None,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )
    edges = [Edge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)]
    return Connection(page_info=info, edges=edges, nodes=nodes)
