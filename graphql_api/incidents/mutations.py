"""Mutations of incidents."""

from typing import Annotated, TypeAlias

import strawberry

from graphql_api.context import Context, Info
from graphql_api.fields import Id, changing
from graphql_api.ids import key_of
from graphql_api.incidents.queries import find_incident
from graphql_api.incidents.types import Incident
from graphql_api.problems import Conflict, Forbidden, InvalidInput, NotFound, RateLimited
from tocsin.domain.errors import NotFoundError
from tocsin.domain.texts import MAXIMUM_COMMENT_LENGTH
from tocsin.services import incidents

AcknowledgeIncidentResult: TypeAlias = Annotated[
    Incident | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("AcknowledgeIncidentResult", description="The incident, or why nobody took it on."),
]
CommentIncidentResult: TypeAlias = Annotated[
    Incident | InvalidInput | NotFound | Forbidden | RateLimited,
    strawberry.union("CommentIncidentResult", description="The incident, or why it has no comment."),
]
Comment = Annotated[
    str, strawberry.argument(description=f"1 to {MAXIMUM_COMMENT_LENGTH} characters, in any number of lines.")
]


@strawberry.type
class IncidentMutations:
    """Part of Mutation."""

    @changing("Take an incident on; it stays open until the target is back.")
    async def acknowledge_incident(self, info: Info, id: Id) -> AcknowledgeIncidentResult:  # noqa: A002
        key, principal = _key(id), info.context.principal
        await incidents.acknowledge(principal.organization_id, key, principal.token_name)
        return await _changed(info.context, key)

    @changing("Write into the story of an incident, also of a resolved one.")
    async def comment_incident(self, info: Info, id: Id, text: Comment) -> CommentIncidentResult:  # noqa: A002
        key, principal = _key(id), info.context.principal
        await incidents.comment(principal.organization_id, key, text, principal.token_name)
        return await _changed(info.context, key)


def _key(text: strawberry.ID) -> int:
    key = key_of("incident", text)
    if key is None:
        raise NotFoundError("incident")
    return key


async def _changed(context: Context, key: int) -> Incident:
    """The incident as it is now; others hear of the change meanwhile."""
    await context.ring()
    return await find_incident(context, key)
