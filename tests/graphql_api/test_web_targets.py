"""Targets of the web through the API: ways that exclude one another, and what is wrong inside them."""

from typing import Any

import pytest

from tests.graphql_api.conftest import Client

CREATE = """
mutation ($input: CreateCheckInput!) { createCheck(input: $input) {
    __typename ... on Check { target { __typename ... on HttpTarget {
        auth { basic { username } bearer { token } digest { username } oauth2 { tokenUrl scope } }
        query { name value } form { name value } httpVersion tls { minimumVersion skipVerification } useProxy } } }
    ... on InvalidInput { problems { path message } } } }
"""
OAUTH2 = {"tokenUrl": "https://login.example.com/token", "clientId": "a", "clientSecret": "swordfish"}


async def create(client: Client, **target: Any) -> Any:
    return await client.data(CREATE, input={"siteId": await client.create_site(), "name": "a", "target": target})


async def test_an_http_target_keeps_its_login_and_what_it_sends(client: Client) -> None:
    pair = {"name": "a b", "value": "c"}
    fields = {"query": [pair], "form": [pair], "httpVersion": "HTTP_2", "tls": {"minimumVersion": "TLS_1_3"}}
    check = await create(client, http={"url": "http://a/", "method": "POST", "auth": {"oauth2": OAUTH2}, **fields})
    target = check["target"]
    assert target["auth"] == {
        "basic": None,
        "bearer": None,
        "digest": None,
        "oauth2": {"tokenUrl": OAUTH2["tokenUrl"], "scope": None},
    }
    assert (target["query"], target["form"], target["httpVersion"]) == ([pair], [pair], "HTTP_2")
    assert (target["tls"], target["useProxy"]) == ({"minimumVersion": "TLS_1_3", "skipVerification": False}, False)


async def test_a_login_is_one_way_alone(client: Client) -> None:
    two = {"bearer": {"token": "abc"}, "oauth2": OAUTH2}
    input_ = {"siteId": await client.create_site(), "name": "a", "target": {"http": {"url": "http://a/", "auth": two}}}
    assert "HttpAuthInput" in (await client.error(CREATE, input=input_))["message"]


@pytest.mark.parametrize(
    ("kind", "fields", "path"),
    [
        ("http", {"auth": {"basic": {"username": "a:b", "password": "c"}}}, "target.http.auth.basic.username"),
        ("http", {"method": "POST", "jsonBody": "{"}, "target.http.jsonBody"),
        ("http", {"method": "POST", "jsonBody": "{}", "body": "x"}, "target.http.jsonBody"),
        ("http", {"expectedLocation": "http://a/"}, "target.http.expectedLocation"),
        ("graphql", {"query": "{ a }", "variables": "[]"}, "target.graphql.variables"),
        ("graphql", {"query": "{ a }", "expectedFields": ["a", "$.b"]}, "target.graphql.expectedFields.1"),
        ("websocket", {"subprotocols": ["a b"]}, "target.websocket.subprotocols.0"),
        ("websocket", {"steps": [{"expectAs": "HEX", "expect": "xyz"}]}, "target.websocket.steps.0.expect"),
    ],
)
async def test_what_is_wrong_is_named(client: Client, kind: str, fields: dict[str, Any], path: str) -> None:
    refused = await create(client, **{kind: {"url": "http://a/", **fields}})
    assert [".".join(map(str, problem["path"].split("."))) for problem in refused["problems"]] == [path]
