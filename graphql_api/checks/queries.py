"""Queries for checks."""

from typing import Annotated

import strawberry

from graphql_api.checks.inputs import LabelInput
from graphql_api.checks.types import Check
from graphql_api.context import Context, Info
from graphql_api.enums import CheckKind, Status
from graphql_api.fields import Id, described
from graphql_api.ids import key_of
from graphql_api.pagination import DEFAULT_PAGE_SIZE, After, Connection, First, connect, invalid_argument, page_of
from graphql_api.sites.queries import find_site
from tocsin.domain.errors import FieldProblem, InvalidInputError, NotFoundError
from tocsin.domain.texts import read_labels, validate_name
from tocsin.services import check_rows

Statuses = Annotated[list[Status] | None, strawberry.argument(description="Only checks in one of these statuses.")]
SiteId = Annotated[strawberry.ID | None, strawberry.argument(description="Only what belongs to this site.")]
Kind = Annotated[CheckKind | None, strawberry.argument(description="Only checks of this kind.")]
Labels = Annotated[
    list[LabelInput] | None, strawberry.argument(description="Only checks that have all of these labels; at most 50.")
]
Text = Annotated[
    str | None, strawberry.argument(description="Only checks whose name contains this, whatever the case.")
]


@strawberry.type
class CheckQueries:
    """Part of Query."""

    @described("Checks, the oldest first.")
    async def checks(
        self,
        info: Info,
        status: Statuses = None,
        site_id: SiteId = None,
        kind: Kind = None,
        label: Labels = None,
        text: Text = None,
        first: First = DEFAULT_PAGE_SIZE,
        after: After = None,
    ) -> Connection[Check]:
        page = page_of("check", first, after)
        site = None if site_id is None else await find_site(info.context, key_of("site", site_id))
        wanted = check_rows.CheckFilter(
            site_id=None if site is None else site.key,
            statuses=status,
            kind=None if kind is None else kind.value,
            labels=None if label is None else _labels(label),
            text=None if text is None else _text(text),
        )
        async with info.context.reading() as connection:
            rows = await check_rows.find_checks(connection, wanted, page.after_key, page.limit)
        return connect("check", page, rows, Check.from_row, lambda row: (row["id"],))

    @described("One check; null with the error NOT_FOUND when there is none with this id.")
    async def check(self, info: Info, id: Id) -> Check | None:  # noqa: A002 - as clients call it
        return await find_check(info.context, key_of("check", id))


async def find_check(context: Context, key: int | None) -> Check:
    """A check that is not deleted. Raises NotFoundError."""
    if key is not None:
        async with context.reading() as connection:
            row = await check_rows.check_by_key(connection, key)
        if row is not None:
            return Check.from_row(row)
    raise NotFoundError("check")


def _labels(labels: list[LabelInput]) -> dict[str, str]:
    problems: list[FieldProblem] = []
    read = read_labels([(label.name, label.value) for label in labels], problems)
    if problems:
        raise InvalidInputError([FieldProblem(("label", *problem.path[1:]), problem.message) for problem in problems])
    return read


def _text(text: str) -> str:
    try:
        return validate_name(text)
    except ValueError as exc:
        raise invalid_argument("text", str(exc)) from exc
