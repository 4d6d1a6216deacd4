"""Organizations and tokens as clients see them."""

from datetime import datetime

import strawberry

from graphql_api.enums import TokenPermission
from graphql_api.ids import Node, global_id
from tocsin.services.accounts import Principal


@strawberry.type(description="The owner of everything that a token opens.")
class Organization(Node):
    """A row of `organizations`."""

    name: str = strawberry.field(description="Name, unique in the installation.")

    @classmethod
    def of(cls, principal: Principal) -> "Organization":
        return cls(id=global_id("organization", principal.organization_id), name=principal.organization_name)


@strawberry.type(description="Who asks: a token and what it opens.")
class Viewer:
    """The principal of the operation."""

    token_name: str = strawberry.field(description="Name of the token; it stands beside what was done with it.")
    permission: TokenPermission = strawberry.field(description="What the token may do.")
    expires_at: datetime | None = strawberry.field(description="When the token ends; null when it does not.")
    organization: Organization = strawberry.field(description="Whose sites and checks it opens.")

    @classmethod
    def of(cls, principal: Principal) -> "Viewer":
        return cls(
            token_name=principal.token_name,
            permission=principal.permission,
            expires_at=principal.expires_at,
            organization=Organization.of(principal),
        )
