"""Queries of locations."""

import strawberry

from graphql_api.context import Info
from graphql_api.fields import described
from graphql_api.locations.types import Location
from tocsin.services.locations import find_locations


@strawberry.type
class LocationQueries:
    """Part of Query."""

    @described("The installation's locations, by name. A worker makes its location known when it starts.")
    async def locations(self, info: Info) -> list[Location]:
        async with info.context.reading() as connection:
            return [Location.from_row(row) for row in await find_locations(connection)]
