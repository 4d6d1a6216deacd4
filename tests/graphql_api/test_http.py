"""GraphQL over HTTP: who may ask, and how."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from graphql import build_client_schema, get_introspection_query

from graphql_api.limits import MAXIMUM_BODY_BYTES
from tocsin.services import accounts, check_rows
from tocsin.settings import Servers

VIEWER = "{ viewer { tokenName permission organization { name } } }"


async def post(client: Any, **request: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {client.token}", **request.pop("headers", {})}
    response = await client.http.post("/graphql", headers=headers, **request)
    assert isinstance(response, httpx.Response)
    return response


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    return str(error["extensions"]["code"])


async def test_a_token_opens_its_organization(client: Any) -> None:
    viewer = await client.data(VIEWER)
    assert viewer == {"tokenName": "acme's full", "permission": "FULL", "organization": {"name": "acme"}}


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer tocsin_nonsense", "Basic YTpi", "tocsin_x", "Bearer a b", "Bearer " + "x" * 4000],
)
async def test_strangers_are_turned_away(api_http: httpx.AsyncClient, authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    response = await api_http.post("/graphql", json={"query": VIEWER}, headers=headers)
    assert (response.status_code, code(response)) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_strangers_learn_nothing_of_the_schema(api_http: httpx.AsyncClient) -> None:
    for query in ("{ __schema { types { name } } }", "{ vewer { name } }", "nonsense"):
        response = await api_http.post("/graphql", json={"query": query})
        assert code(response) == "UNAUTHENTICATED"


async def test_a_revoked_token_is_turned_away(client: Any, owner: asyncpg.Connection) -> None:
    (token,) = await accounts.list_tokens(owner)
    await accounts.revoke_token(owner, token.id)
    assert (await post(client, json={"query": VIEWER})).status_code == 401


async def test_misspelt_fields_bring_no_suggestions(client: Any) -> None:
    misspelt = ("vewer { tokenName }", "checks(frist: 1) { nodes { id } }", "checks(kind: HTTPS) { nodes { id } }")
    for query in misspelt:
        error = await client.error(f"{{ {query} }}")
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert "Did you mean" not in error["message"]


async def test_tools_may_introspect(client: Any) -> None:
    schema = build_client_schema((await client.send(get_introspection_query()))["data"])
    assert schema.get_type("Check")


async def test_misspelt_variables_bring_no_suggestions(client: Any) -> None:
    query = "mutation ($input: CreateSiteInput!) { createSite(input: $input) { __typename } }"
    error = await client.error(query, input={"name": "shop", "nmae": "shop"})
    assert "Did you mean" not in error["message"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


MALFORMED: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "BAD_REQUEST"),
    "no JSON": (b"{", 400, "BAD_REQUEST"),
    "a string": (b'"query"', 400, "BAD_REQUEST"),
    "null": (b"null", 400, "BAD_REQUEST"),
    "a number": (b"7", 400, "BAD_REQUEST"),
    "deep JSON": (b"[" * 100_000, 400, "BAD_REQUEST"),
    "bad UTF-8": (b'{"query": "\xff"}', 400, "BAD_REQUEST"),
    "half a surrogate": (b'{"query": "{a}", "variables": {"a": "\\ud800"}}', 400, "BAD_REQUEST"),
    "no query": (b"{}", 400, "BAD_REQUEST"),
    "an empty query": (b'{"query": ""}', 400, "BAD_REQUEST"),
    "a list as query": (b'{"query": ["a"]}', 400, "BAD_REQUEST"),
    "a list as variables": (b'{"query": "{a}", "variables": []}', 400, "BAD_REQUEST"),
    "an unknown operation": (b'{"query": "query a {viewer {tokenName}}", "operationName": "b"}', 400, "BAD_REQUEST"),
    "a list as operation": (b'{"query": "query a {viewer {tokenName}}", "operationName": ["a"]}', 400, "BAD_REQUEST"),
    "a batch": (b'[{"query": "{viewer {tokenName}}"}]', 400, "BAD_REQUEST"),
    "an empty batch": (b"[]", 400, "BAD_REQUEST"),
    "a batch of nonsense": (b"[1]", 400, "BAD_REQUEST"),
    "only a fragment": (b'{"query": "fragment a on Query {viewer {tokenName}}"}', 400, "BAD_REQUEST"),
    "no GraphQL": (b'{"query": "nonsense"}', 200, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": (b'{"query": "{a}"}', 200, "GRAPHQL_VALIDATION_FAILED"),
    "a missing variable": (
        b'{"query": "query ($id: ID!) {node(id: $id) {id}}"}', 200, "GRAPHQL_VALIDATION_FAILED"
    ),
    "a large body": (b" " * (MAXIMUM_BODY_BYTES + 1), 413, "LIMIT_EXCEEDED"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "status", "expected"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_request_is_answered_with_a_code(
    client: Any, body: bytes, status: int, expected: str
) -> None:
    response = await post(client, content=body, headers={"content-type": "application/json"})
    assert (response.status_code, code(response)) == (status, expected)


async def test_a_large_body_without_a_length_is_cut_off(client: Any) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536

    # httpx's transport for ASGI asks for one part after the other, as a server does.
    response = await post(client, content=endless(), headers={"content-type": "application/json"})
    assert (response.status_code, sent) == (413, MAXIMUM_BODY_BYTES + 65536)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x"]
)
async def test_what_a_form_can_send_is_refused(client: Any, content_type: str) -> None:
    response = await post(client, content=b'{"query": "{viewer{tokenName}}"}', headers={"content-type": content_type})
    assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def get(client: Any, **parameters: str) -> httpx.Response:
    response = await client.http.get("/graphql", params=parameters, headers={"authorization": f"Bearer {client.token}"})
    assert isinstance(response, httpx.Response)
    return response


async def test_a_query_can_be_asked_by_get(client: Any) -> None:
    response = await get(client, query="query ($n: Int!) { sites(first: $n) { nodes { id } } }", variables='{"n": 1}')
    assert response.json() == {"data": {"sites": {"nodes": []}}}


async def test_a_mutation_cannot_be_made_by_get(client: Any) -> None:
    response = await get(client, query='mutation { createSite(input: {name: "a"}) { __typename } }')
    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")
    assert (await client.data("{ sites { nodes { id } } }"))["nodes"] == []


@pytest.mark.parametrize("accept", ["*/*", "multipart/mixed", 'multipart/mixed; subscriptionSpec="1.0"'])
async def test_a_subscription_is_sent_to_where_it_can_be_answered(client: Any, accept: str) -> None:
    query = "subscription { checkResults { cursor } }"
    response = await post(client, json={"query": query}, headers={"accept": accept})
    assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")
    assert "/graphql/stream with the header Accept: text/event-stream" in response.text


async def test_a_query_beside_a_subscription_is_answered(client: Any) -> None:
    query = "subscription S { checkResults { cursor } } query Q { viewer { permission } }"
    response = await post(client, json={"query": query, "operationName": "Q"})
    assert response.json() == {"data": {"viewer": {"permission": "FULL"}}}


@pytest.mark.parametrize("variables", ["[1]", "nonsense", "1"])
async def test_variables_of_a_get_are_an_object(client: Any, variables: str) -> None:
    response = await get(client, query=VIEWER, variables=variables)
    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_not_allowed(client: Any, method: str) -> None:
    response = await client.http.request(method, "/graphql")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


async def test_a_browser_gets_graphiql_without_a_token(api_http: httpx.AsyncClient) -> None:
    response = await api_http.get("/graphql", headers={"accept": "text/html,*/*"})
    assert response.status_code == 200
    assert "graphiql" in response.text.lower()


async def test_other_clients_get_no_graphiql(api_http: httpx.AsyncClient) -> None:
    assert (await api_http.get("/graphql")).status_code == 401


async def test_every_answer_names_its_request_and_is_not_kept(client: Any) -> None:
    first, second = [await post(client, json={"query": VIEWER}) for _ in range(2)]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["cache-control"] == "no-store"


async def crash(*_: object) -> None:
    raise ValueError("a secret, such as hunter2")


async def test_a_crash_says_its_request_and_nothing_else(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_rows, "find_checks", crash)
    response = await post(client, json={"query": "{ checks { nodes { id } } }"})
    (error,) = response.json()["errors"]
    request_id = response.headers["x-request-id"]
    assert error["extensions"] == {"code": "INTERNAL_ERROR", "requestId": request_id}
    assert "hunter2" not in response.text
    logged = capsys.readouterr().out
    assert request_id in logged
    assert "ValueError" in logged
    assert "hunter2" not in logged


async def test_the_text_of_a_query_is_not_logged(
    client: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for query in (
        '{ site(id: "hunter2") { id } }',
        "{ hunter2 }",
        "hunter2 {",
        '{ checks(text: "hunter2") { nodes { id } } }',
    ):
        await client.send(query)
        await get(client, query=query)
    records = [record for record in caplog.records if not record.name.startswith(("httpx", "asyncpg", "tortoise"))]
    assert "hunter2" not in str([record.getMessage() for record in records])
    assert "hunter2" not in capsys.readouterr().out


async def test_a_database_that_is_away_is_said_plainly(client: Any, servers: Servers, database_url: str) -> None:
    await client.data(VIEWER)
    name = database_url.partition("?")[0].rpartition("/")[2]
    administrator = await asyncpg.connect(servers.database_url)
    await administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    error = await client.error("{ sites { nodes { id } } }")
    assert error["extensions"]["code"] == "UNAVAILABLE"
    await administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (await client.data("{ sites { nodes { id } } }"))["nodes"] == []
    await administrator.close()
