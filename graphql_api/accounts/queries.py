"""Queries about who asks."""

import strawberry

from graphql_api.accounts.types import Viewer
from graphql_api.context import Info
from graphql_api.fields import described


@strawberry.type
class AccountQueries:
    """Part of Query."""

    @described("Who asks.")
    def viewer(self, info: Info) -> Viewer:
        return Viewer.of(info.context.principal)
