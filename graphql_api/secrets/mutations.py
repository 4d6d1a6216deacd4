"""Mutations of secrets."""

from typing import Annotated, TypeAlias

import strawberry
from strawberry import UNSET

from graphql_api.checks.inputs import IDEMPOTENCY_KEY
from graphql_api.context import Info
from graphql_api.fields import Id, changing
from graphql_api.ids import key_of
from graphql_api.problems import Conflict, Forbidden, InvalidInput, NotFound, RateLimited
from graphql_api.secrets.queries import find_secret
from graphql_api.secrets.types import Secret
from tocsin.domain.errors import NotFoundError
from tocsin.domain.targets.secrets import MAXIMUM_SECRET_NAME_LENGTH
from tocsin.services import secrets

_VALUE = (
    f"The value, 1 to {secrets.MAXIMUM_VALUE_LENGTH} characters. Give it in a variable, for queries are kept for their "
    "next use."
)


@strawberry.input(description="A new secret.")
class CreateSecretInput:
    """What is kept, and under which name."""

    name: str = strawberry.field(
        description=f"Name, unique in the organization: 1 to {MAXIMUM_SECRET_NAME_LENGTH} letters, digits and -_."
    )
    value: str = strawberry.field(description=_VALUE)
    idempotency_key: str | None = strawberry.field(description=IDEMPOTENCY_KEY, default=UNSET)


@strawberry.input(description="A new value of a secret.")
class UpdateSecretInput:
    """The value alone: a secret is encrypted for its name."""

    value: str = strawberry.field(description=_VALUE)


CreateSecretResult: TypeAlias = Annotated[
    Secret | InvalidInput | Conflict | Forbidden | RateLimited,
    strawberry.union("CreateSecretResult", description="The secret, or why there is none."),
]
UpdateSecretResult: TypeAlias = Annotated[
    Secret | InvalidInput | NotFound | Forbidden | RateLimited,
    strawberry.union("UpdateSecretResult", description="The changed secret, or why it is not changed."),
]
DeleteSecretResult: TypeAlias = Annotated[
    Secret | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("DeleteSecretResult", description="The secret as it was, or why it is not deleted."),
]
CreateSecretArgument = Annotated[CreateSecretInput, strawberry.argument(description="The new secret.")]
UpdateSecretArgument = Annotated[UpdateSecretInput, strawberry.argument(description="What changes.")]


@strawberry.type
class SecretMutations:
    """Part of Mutation."""

    @changing("Keep a value encrypted, for targets to refer to by its name.")
    async def create_secret(self, info: Info, input: CreateSecretArgument) -> CreateSecretResult:  # noqa: A002
        organization_id, keys = info.context.principal.organization_id, info.context.keys
        key = await secrets.create_secret(
            organization_id, keys, input.name, input.value, key=input.idempotency_key or None
        )
        return await find_secret(info.context, key)

    @changing("Put another value in the place of a secret's. It counts from the next batch of slots on.")
    async def update_secret(self, info: Info, id: Id, input: UpdateSecretArgument) -> UpdateSecretResult:  # noqa: A002
        key = _key(id)
        await secrets.update_secret(info.context.principal.organization_id, info.context.keys, key, input.value)
        return await find_secret(info.context, key)

    @changing("Delete a secret that no check uses.")
    async def delete_secret(self, info: Info, id: Id) -> DeleteSecretResult:  # noqa: A002 - as clients call it
        return Secret.from_row(await secrets.delete_secret(info.context.principal.organization_id, _key(id)))


def _key(text: strawberry.ID) -> int:
    key = key_of("secret", text)
    if key is None:
        raise NotFoundError("secret")
    return key
