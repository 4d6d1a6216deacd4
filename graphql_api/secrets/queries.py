"""Queries for secrets."""

import strawberry

from graphql_api.context import Context, Info
from graphql_api.fields import described
from graphql_api.pagination import DEFAULT_PAGE_SIZE, After, Connection, First, connect, page_of
from graphql_api.secrets.types import Secret
from tocsin.domain.errors import NotFoundError
from tocsin.services import secrets


@strawberry.type
class SecretQueries:
    """Part of Query."""

    @described("All secrets by their names, the oldest first. Their values are never shown.")
    async def secrets(self, info: Info, first: First = DEFAULT_PAGE_SIZE, after: After = None) -> Connection[Secret]:
        page = page_of("secret", first, after)
        async with info.context.reading() as connection:
            rows = await secrets.find_secrets(connection, page.after_key, page.limit)
        return connect("secret", page, rows, Secret.from_row, lambda row: (row["id"],))


async def find_secret(context: Context, key: int | None) -> Secret:
    """A secret without its value. Raises NotFoundError."""
    if key is None:
        raise NotFoundError("secret")
    async with context.reading() as connection:
        return Secret.from_row(await secrets.secret_by_key(connection, key))
