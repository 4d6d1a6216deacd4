"""The GraphQL schema, put together. `python -m graphql_api.schema` prints it."""

import sys
from typing import Final

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from graphql_api.accounts.queries import AccountQueries
from graphql_api.checks.mutations import CheckMutations
from graphql_api.checks.queries import CheckQueries
from graphql_api.checks.trials import TrialMutations
from graphql_api.documents import Documents
from graphql_api.errors import give_code
from graphql_api.execution import Executor
from graphql_api.incidents.mutations import IncidentMutations
from graphql_api.incidents.queries import IncidentQueries
from graphql_api.live.subscriptions import Subscription
from graphql_api.locations.queries import LocationQueries
from graphql_api.nodes import NodeQueries
from graphql_api.secrets.mutations import SecretMutations
from graphql_api.secrets.queries import SecretQueries
from graphql_api.sites.mutations import SiteMutations
from graphql_api.sites.queries import SiteQueries
from tocsin.problems import exit_plainly


@strawberry.type(description="What can be asked.")
class Query(AccountQueries, NodeQueries, SiteQueries, CheckQueries, LocationQueries, SecretQueries, IncidentQueries):
    """Every query."""


@strawberry.type(description="What can be changed. Each mutation answers with what it changed, or with why not.")
class Mutation(SiteMutations, CheckMutations, TrialMutations, SecretMutations, IncidentMutations):
    """Every mutation."""


class Schema(strawberry.Schema):
    """Strawberry's, but no text of a query is logged, and every error has a code."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        context = execution_context.context if execution_context else None
        for error in errors:
            give_code(error, getattr(context, "request_id", ""))


schema: Final = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    extensions=[Documents],
    execution_context_class=Executor,
    config=StrawberryConfig(disable_field_suggestions=True),
)


def print_schema() -> str:
    """The schema in GraphQL's schema definition language, as it is committed in `schema.graphql`."""
    return schema.as_str() + "\n"


if __name__ == "__main__":
    with exit_plainly():
        sys.stdout.write(print_schema())
        sys.stdout.flush()
