"""`node`: any object by its global id."""

from collections.abc import Awaitable, Callable
from typing import Final

import strawberry

from graphql_api.accounts.types import Organization
from graphql_api.checks.queries import find_check
from graphql_api.context import Context, Info
from graphql_api.fields import Id, described
from graphql_api.ids import Node, key_of
from graphql_api.incidents.queries import find_incident
from graphql_api.incidents.types import IncidentEntry
from graphql_api.secrets.queries import find_secret
from graphql_api.sites.queries import find_site
from tocsin.domain.errors import NotFoundError
from tocsin.domain.global_ids import decode
from tocsin.services import incidents


async def _find_organization(context: Context, key: int | None) -> Organization:
    if key != context.principal.organization_id:
        raise NotFoundError("object")
    return Organization.of(context.principal)


async def _find_entry(context: Context, key: int | None) -> IncidentEntry:
    if key is not None:
        async with context.reading() as connection:
            row = await incidents.event_by_key(connection, key)
        if row is not None:
            return IncidentEntry.from_row(row)
    raise NotFoundError("object")


_FINDERS: Final[dict[str, Callable[[Context, int | None], Awaitable[Node]]]] = {
    "organization": _find_organization,
    "site": find_site,
    "check": find_check,
    "secret": find_secret,
    "incident": find_incident,
    "incident-event": _find_entry,
}


@strawberry.type
class NodeQueries:
    """Part of Query."""

    @described("Any object by its global id; null with the error NOT_FOUND when there is none.")
    async def node(self, info: Info, id: Id) -> Node | None:  # noqa: A002 - as clients call it
        match decode(id):
            case (kind, _) if kind in _FINDERS:
                return await _find(info.context, kind, id)
        raise NotFoundError("object")


async def _find(context: Context, kind: str, text: str) -> Node:
    try:
        return await _FINDERS[kind](context, key_of(kind, text))
    except NotFoundError as exc:
        # The same whatever the id says that it is.
        raise NotFoundError("object") from exc
