"""Queries for sites."""

import strawberry

from graphql_api.context import Context, Info
from graphql_api.fields import Id, described
from graphql_api.ids import key_of
from graphql_api.pagination import DEFAULT_PAGE_SIZE, After, Connection, First, connect, page_of
from graphql_api.sites.types import Site
from tocsin.domain.errors import NotFoundError
from tocsin.services import sites


@strawberry.type
class SiteQueries:
    """Part of Query."""

    @described("All sites, the oldest first.")
    async def sites(self, info: Info, first: First = DEFAULT_PAGE_SIZE, after: After = None) -> Connection[Site]:
        page = page_of("site", first, after)
        async with info.context.reading() as connection:
            rows = await sites.find_sites(connection, page.after_key, page.limit)
        return connect("site", page, rows, Site.from_row, lambda row: (row["id"],))

    @described("One site; null with the error NOT_FOUND when there is none with this id.")
    async def site(self, info: Info, id: Id) -> Site | None:  # noqa: A002 - as clients call it
        return await find_site(info.context, key_of("site", id))


async def find_site(context: Context, key: int | None) -> Site:
    """A site that is not deleted. Raises NotFoundError."""
    if key is not None:
        async with context.reading() as connection:
            row = await sites.site_by_key(connection, key)
        if row is not None:
            return Site.from_row(row)
    raise NotFoundError("site")
