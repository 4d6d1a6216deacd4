"""What tokens that only read may do, and how fast others may change things."""

from typing import Any

from graphql import GraphQLNonNull, GraphQLObjectType

from graphql_api.schema import schema
from tocsin.rate_limit import BURST

ARGUMENTS = {
    "createSite": '(input: {name: "a"})',
    "createCheck": '(input: {siteId: "x", name: "a", target: {tcp: {host: "a", port: 1}}})',
    "updateSite": '(id: "x", input: {})',
    "updateCheck": '(id: "x", input: {})',
    "createSecret": '(input: {name: "a", value: "b"})',
    "updateSecret": '(id: "x", input: {value: "b"})',
    "testCheck": '(input: {target: {tcp: {host: "a", port: 1}}})',
    "commentIncident": '(id: "x", text: "a")',
}
ONLY_AN_ID = '(id: "x")'


def mutations() -> list[str]:
    kind = schema._schema.mutation_type
    assert isinstance(kind, GraphQLObjectType)
    plain = [name for name, field in kind.fields.items() if name not in ARGUMENTS]
    assert all(isinstance(kind.fields[name].args["id"].type, GraphQLNonNull) for name in plain)
    return [*ARGUMENTS, *plain]


async def test_tokens_that_only_read_may_change_nothing(reader: Any) -> None:
    for name in mutations():
        query = f"mutation {{ {name}{ARGUMENTS.get(name, ONLY_AN_ID)} {{ __typename }} }}"
        assert (await reader.data(query))["__typename"] == "Forbidden"


async def test_tokens_that_only_read_may_read(client: Any, reader: Any) -> None:
    site = await client.create_site()
    assert (await reader.data("{ sites { nodes { id } } }"))["nodes"] == [{"id": site}]


async def test_a_burst_of_mutations_ends(client: Any) -> None:
    query = 'mutation { deleteSite(id: "x") { __typename ... on RateLimited { retryAfterSeconds } } }'
    for _ in range(10 * BURST):
        answer = await client.data(query)
        if answer["__typename"] == "RateLimited":
            break
    assert 0 < answer["retryAfterSeconds"] < 1
