"""What targets of the web take, and what they refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.domain.targets import parse_target

URL = {"url": "https://example.com/"}
PLACE = {"host": "example.com", "port": 443}
QUERY = {**URL, "query": "{ a }"}


def problem(kind: str, fields: dict[str, Any]) -> str:
    """Where the first wrong field is, and what is wrong with it."""
    with pytest.raises(ValidationError) as refused:
        parse_target(kind, fields)
    first = refused.value.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("http", {**URL, "method": "POST", "body": "a", "json_body": "{}"}, "json_body: cannot be combined"),
        ("http", {**URL, "method": "POST", "body": "", "form": [{"name": "a", "value": ""}]}, "form: cannot be comb"),
        ("http", {**URL, "form": [{"name": "a", "value": ""}]}, "form: cannot be sent with GET; choose POST"),
        ("http", {**URL, "method": "POST", "json_body": "[" * 60_000}, "json_body: must be JSON"),
        ("http", {**URL, "method": "POST", "json_body": '"\0"'}, "json_body: must not contain the character NUL"),
        ("http", {**URL, "query": [{"name": "", "value": ""}]}, "query.0.name: String should have at least"),
        ("http", {**URL, "query": [{"name": "a", "value": "\ud800"}]}, "query.0.value: "),
        ("http", {**URL, "auth": {}}, "auth: must have exactly one of basic, bearer, digest, oauth2"),
        ("http", {**URL, "auth": {"bearer": {"token": "a\nb"}}}, "auth.bearer.token: must not contain control"),
        ("http", {**URL, "auth": {"bearer": {"token": "ä"}}}, "auth.bearer.token: must be ASCII"),
        (
            "http",
            {**URL, "auth": {"bearer": {"token": "a"}}, "headers": [{"name": "AUTHORIZATION", "value": "b"}]},
            "auth: cannot be combined with a header Authorization",
        ),
        (
            "http",
            {**URL, "auth": {"oauth2": {"token_url": "x", "client_id": "a", "client_secret": "b"}}},
            "auth.oauth2.token_url: must be an absolute URL",
        ),
        ("http", {**URL, "maximum_body_bytes": 10_485_761}, "maximum_body_bytes: Input should be less"),
        ("http", {**URL, "user_agent": "a\r\nb"}, "user_agent: must not contain control"),
        ("http", {**URL, "expected_location": "/path", "follow_redirects": False}, "expected_location: must be an abs"),
        (
            "http",
            {**URL, "expected_location": "http://a/"},
            "expected_location: is for a redirect that is not followed",
        ),
        ("grpc", {**PLACE, "service": "a b"}, "service: must be the name of a service"),
        ("grpc", {**PLACE, "authority": "a/b"}, "authority: must be a host"),
        ("grpc", {**PLACE, "metadata": [{"name": "A", "value": ""}]}, "metadata.0.name: must be a key of metadata"),
        ("grpc", {**PLACE, "metadata": [{"name": "grpc-x", "value": ""}]}, "metadata.0.name: is set by the prober"),
        ("grpc", {**PLACE, "metadata": [{"name": "te", "value": ""}]}, "metadata.0.name: is set by the prober"),
        ("grpc", {**PLACE, "metadata": [{"name": "a-bin", "value": ""}]}, "metadata.0.name: must not end with -bin"),
        ("websocket", {"url": "ftp://a/"}, "url: must be an absolute URL such as wss://"),
        ("websocket", {"url": "ws://a:0/"}, "url: must have a port from 1 to 65535"),
        ("websocket", {"url": "ws://u:p@a/"}, "url: must not contain a user name or password"),
        ("websocket", {**URL, "subprotocols": ["a,b"]}, "subprotocols.0: must be the name of a subprotocol"),
        ("websocket", {**URL, "headers": [{"name": "Sec-WebSocket-Key", "value": "a"}]}, "headers: must not set Sec-"),
        ("websocket", {**URL, "headers": [{"name": "Connection", "value": "a"}]}, "headers.0.name: is set by the"),
        ("graphql", {**URL, "query": ""}, "query: String should have at least 1 character"),
        (
            "graphql",
            {**URL, "query": "{ shop { name "},
            "query: must be a document in GraphQL, such as { shop { name } }; it is wrong at line 1, column 15",
        ),
        ("graphql", {**URL, "query": "{" + " a" * 5000 + "}"}, "query: must have at most 5000 words and signs"),
        ("graphql", {**URL, "query": "{a" * 5000}, "query: must have at most 5000 words and signs, and be nested less"),
        ("graphql", {**QUERY, "variables": "7"}, "variables: must be a JSON object"),
        ("graphql", {**URL, "query": "subscription { a }"}, "subscription: is missing, and the query is a sub"),
        ("graphql", {**URL, "query": "query A { a } subscription B {b}", "operation_name": "B"}, "subscription: is"),
        ("graphql", {**URL, "query": "# a\n subscription A{ a }"}, "subscription: is missing, and the query is a sub"),
        ("graphql", {**QUERY, "operation_name": "a b"}, "operation_name: must be the name of an operation"),
        ("graphql", {**QUERY, "expected_fields": ["a..b"]}, "expected_fields.0: must lead to a field"),
        ("graphql", {**QUERY, "subscription": {"within_seconds": 61}}, "subscription.within_seconds: Input should be"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_field(kind: str, fields: dict[str, Any], said: str) -> None:
    assert problem(kind, fields).startswith(said)


@pytest.mark.parametrize(
    "fields",
    [
        {"query": "subscription { a }", "subscription": {}},
        {"query": "subscription A { a } query B { b }", "operation_name": "B"},
        {"query": "{ subscription }"},
        {"query": "fragment A on B { a }"},
        {"query": "query subscriptions { a }"},
    ],
)
def test_a_subscription_is_told_from_other_operations(fields: dict[str, Any]) -> None:
    assert parse_target("graphql", {**URL, **fields}).model_dump()["query"] == fields["query"]


@pytest.mark.parametrize("url", ["ws://a/", "WSS://a:443/x?y", "http://[::1]/", "https://example.com"])
def test_a_web_socket_is_opened_at_urls_of_four_schemes(url: str) -> None:
    assert parse_target("websocket", {"url": url}).model_dump()["url"] == url


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("http", {**URL, "method": "POST", "json_body": "placeholder"}),
        ("graphql", {**QUERY, "variables": "placeholder", "subscription": {"connection_payload": "placeholder"}}),
        ("http", {**URL, "auth": {"basic": {"username": "a", "password": "placeholder"}}}),
    ],
)
def test_a_secret_that_is_not_known_yet_is_taken(kind: str, fields: dict[str, Any]) -> None:
    assert "placeholder" in str(parse_target(kind, fields).model_dump())
