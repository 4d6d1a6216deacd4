"""Secrets as clients see them: never with their values."""

from datetime import datetime

import asyncpg
import strawberry

from graphql_api.checks.types import Check
from graphql_api.context import Info
from graphql_api.fields import described
from graphql_api.ids import Node, global_id
from graphql_api.pagination import DEFAULT_PAGE_SIZE, After, Connection, First, connect, page_of
from tocsin.services import check_rows


@strawberry.type(description="A value that is kept encrypted, for targets to refer to. Nobody can read it back.")
class Secret(Node):
    """A row of `secrets`."""

    key: strawberry.Private[int]
    name: str = strawberry.field(description="Name, unique in the organization: what targets refer to it by.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When its value was last given.")

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "Secret":
        """A row of `services.secrets`."""
        return cls(
            id=global_id("secret", row["id"]),
            key=row["id"],
            name=row["name"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    @described("The checks whose targets name it, the oldest first.")
    async def checks(self, info: Info, first: First = DEFAULT_PAGE_SIZE, after: After = None) -> Connection[Check]:
        page = page_of("check", first, after)
        async with info.context.reading() as connection:
            rows = await check_rows.find_checks(
                connection, check_rows.CheckFilter(secret_id=self.key), page.after_key, page.limit
            )
        return connect("check", page, rows, Check.from_row, lambda row: (row["id"],))
