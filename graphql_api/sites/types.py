"""Sites as clients see them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import asyncpg
import strawberry

from graphql_api.context import Info
from graphql_api.fields import described
from graphql_api.ids import Node, global_id
from graphql_api.pagination import DEFAULT_PAGE_SIZE, After, Connection, First, connect, page_of
from tocsin.services import check_rows

if TYPE_CHECKING:
    from graphql_api.checks.types import Check


@strawberry.type(description="A group of checks, such as a service or a place.")
class Site(Node):
    """A row of `sites`."""

    key: strawberry.Private[int]
    name: str = strawberry.field(description="Name, unique in the organization.")
    description: str = strawberry.field(description="What the site is, for people; empty when nobody said.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")

    @classmethod
    def from_row(cls, row: asyncpg.Record, prefix: str = "") -> "Site":
        """Columns of `sites`; `prefix` stands before their names where they are part of a larger row."""
        return cls(
            id=global_id("site", row[f"{prefix}id"]),
            key=row[f"{prefix}id"],
            name=row[f"{prefix}name"],
            description=row[f"{prefix}description"],
            created_at=row[f"{prefix}created_at"],
            updated_at=row[f"{prefix}updated_at"],
        )

    @described("The site's checks, the oldest first.")
    async def checks(
        self, info: Info, first: First = DEFAULT_PAGE_SIZE, after: After = None
    ) -> Connection[Annotated["Check", strawberry.lazy("graphql_api.checks.types")]]:
        from graphql_api.checks.types import Check  # noqa: PLC0415 - the types know each other

        page = page_of("check", first, after)
        async with info.context.reading() as connection:
            rows = await check_rows.find_checks(
                connection, check_rows.CheckFilter(site_id=self.key), page.after_key, page.limit
            )
        return connect("check", page, rows, Check.from_row, lambda row: (row["id"],))
