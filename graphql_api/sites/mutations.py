"""Mutations of sites."""

from typing import Annotated, TypeAlias

import strawberry
from strawberry import UNSET

from graphql_api.checks.inputs import IDEMPOTENCY_KEY, is_given
from graphql_api.context import Context, Info
from graphql_api.fields import Id, changing
from graphql_api.ids import key_of
from graphql_api.problems import Conflict, Forbidden, InvalidInput, NotFound, RateLimited
from graphql_api.sites.types import Site
from tocsin.domain.errors import NotFoundError
from tocsin.domain.texts import MAXIMUM_DESCRIPTION_LENGTH, MAXIMUM_NAME_LENGTH
from tocsin.services import sites

_NAME = f"Name, unique in the organization: 1 to {MAXIMUM_NAME_LENGTH} characters."
_DESCRIPTION = f"What the site is, for people: up to {MAXIMUM_DESCRIPTION_LENGTH} characters."


@strawberry.input(description="A new site.")
class CreateSiteInput:
    """The columns of `sites`."""

    name: str = strawberry.field(description=_NAME)
    description: str = strawberry.field(description=_DESCRIPTION, default="")
    idempotency_key: str | None = strawberry.field(description=IDEMPOTENCY_KEY, default=UNSET)


@strawberry.input(description="Changes to a site. What is absent or null stays as it is.")
class UpdateSiteInput:
    """The same, all optional."""

    name: str | None = strawberry.field(description=_NAME, default=UNSET)
    description: str | None = strawberry.field(description=_DESCRIPTION, default=UNSET)


CreateSiteResult: TypeAlias = Annotated[
    Site | InvalidInput | Conflict | Forbidden | RateLimited,
    strawberry.union("CreateSiteResult", description="The site, or why there is none."),
]
UpdateSiteResult: TypeAlias = Annotated[
    Site | InvalidInput | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("UpdateSiteResult", description="The changed site, or why it is not changed."),
]
DeleteSiteResult: TypeAlias = Annotated[
    Site | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("DeleteSiteResult", description="The site as it was, or why it is not deleted."),
]
CreateSiteArgument = Annotated[CreateSiteInput, strawberry.argument(description="The new site.")]
UpdateSiteArgument = Annotated[UpdateSiteInput, strawberry.argument(description="What changes.")]


@strawberry.type
class SiteMutations:
    """Part of Mutation."""

    @changing("Make a site.")
    async def create_site(self, info: Info, input: CreateSiteArgument) -> CreateSiteResult:  # noqa: A002
        fields = {"name": input.name, "description": input.description}
        organization_id = info.context.principal.organization_id
        key = await sites.create_site(organization_id, fields, key=input.idempotency_key or None)
        return await _site(info.context, key)

    @changing("Change a site.")
    async def update_site(self, info: Info, id: Id, input: UpdateSiteArgument) -> UpdateSiteResult:  # noqa: A002
        changes = {"name": input.name, "description": input.description}
        given = {name: value for name, value in changes.items() if value is not None and is_given(value)}
        key = _key(id)
        await sites.update_site(info.context.principal.organization_id, key, given)
        return await _site(info.context, key)

    @changing("Delete a site that has no checks.")
    async def delete_site(self, info: Info, id: Id) -> DeleteSiteResult:  # noqa: A002 - as clients call it
        key = _key(id)
        await sites.delete_site(info.context.principal.organization_id, key)
        return await _site(info.context, key)


def _key(text: strawberry.ID) -> int:
    key = key_of("site", text)
    if key is None:
        raise NotFoundError("site")
    return key


async def _site(context: Context, key: int) -> Site:
    async with context.reading() as connection:
        return Site.from_row(await sites.any_site_by_key(connection, key))
