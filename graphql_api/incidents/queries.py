"""Queries for incidents."""

from typing import Annotated

import strawberry

from graphql_api.checks.queries import SiteId, find_check
from graphql_api.context import Context, Info
from graphql_api.enums import IncidentStatus
from graphql_api.fields import Id, described
from graphql_api.ids import key_of
from graphql_api.incidents.types import Incident
from graphql_api.pagination import DEFAULT_PAGE_SIZE, After, Connection, First, connect, page_of
from graphql_api.sites.queries import find_site
from tocsin.domain.errors import NotFoundError
from tocsin.services import incidents

Statuses = Annotated[
    list[IncidentStatus] | None, strawberry.argument(description="Only incidents in one of these statuses.")
]
CheckId = Annotated[strawberry.ID | None, strawberry.argument(description="Only incidents of this check.")]


@strawberry.type
class IncidentQueries:
    """Part of Query."""

    @described("Incidents, the newest first; also those of deleted checks.")
    async def incidents(
        self,
        info: Info,
        status: Statuses = None,
        site_id: SiteId = None,
        check_id: CheckId = None,
        first: First = DEFAULT_PAGE_SIZE,
        after: After = None,
    ) -> Connection[Incident]:
        page = page_of("incident", first, after)
        site = None if site_id is None else await find_site(info.context, key_of("site", site_id))
        check = None if check_id is None else await find_check(info.context, key_of("check", check_id))
        wanted = incidents.IncidentFilter(
            statuses=status,
            site_id=None if site is None else site.key,
            check_id=None if check is None else check.key,
        )
        async with info.context.reading() as connection:
            rows = await incidents.find_incidents(connection, wanted, page.after_key, page.limit)
        return connect("incident", page, rows, Incident.from_row, lambda row: (row["id"],))

    @described("One incident; null with the error NOT_FOUND when there is none with this id.")
    async def incident(self, info: Info, id: Id) -> Incident | None:  # noqa: A002 - as clients call it
        return await find_incident(info.context, key_of("incident", id))


async def find_incident(context: Context, key: int | None) -> Incident:
    """An incident. Raises NotFoundError."""
    if key is not None:
        async with context.reading() as connection:
            rows = await incidents.incidents_by_key(connection, [key])
        if rows:
            return Incident.from_row(rows[0])
    raise NotFoundError("incident")
