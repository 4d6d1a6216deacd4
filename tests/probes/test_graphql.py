"""GraphQL probes of Strawberry's server, and of servers that are none."""

from asyncio import StreamReader, StreamWriter
from datetime import timedelta
from typing import Any

import pytest

import probes.kinds.graphql.prober
from probes.engine import Engine
from probes.kinds.graphql.prober import MAX_RESPONSE_BYTES, probe_graphql
from probes.redaction import Redaction
from probes.runner import probe
from probes.trace import Trace
from tests.probes.examples import example_target
from tests.probes.serving import Serve, ServeBytes, read_request
from tests.probes.test_websocket import opened
from tests.servers.graphql import GraphqlServer
from tests.servers.nginx import Nginx
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.graphql import GraphqlTarget


async def observed(engine: Engine, url: str, query: str = "{ __typename }", **fields: Any) -> Observation:
    return await probe(GraphqlTarget(url=url, query=query, **fields), timedelta(seconds=10), engine)


@pytest.mark.proves("graphql", "a real server")
@pytest.mark.proves("graphql", "variables")
async def test_the_example_that_passes_has_its_data(graphql_server: GraphqlServer, engine: Engine) -> None:
    target = example_target("graphql-pass", "graphql", url=graphql_server.url, auth=None)
    observation = await probe(target, timedelta(seconds=10), engine)
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)


@pytest.mark.proves("graphql", "subscription")
async def test_the_example_that_fails_delivers_nothing_in_time(graphql_server: GraphqlServer, engine: Engine) -> None:
    target = example_target("graphql-fail", "graphql", url=graphql_server.url)
    observation = await probe(target, timedelta(seconds=10), engine)
    message = "the subscription delivered nothing within 1 s"
    assert (observation.reason, observation.message) == (Reason.TIMEOUT, message)


@pytest.mark.proves("graphql", "query")
async def test_what_came_is_noted(graphql_server: GraphqlServer, engine: Engine) -> None:
    trace = Trace(timedelta(seconds=10))
    await probe_graphql(GraphqlTarget(url=graphql_server.url, query="{ __typename }"), engine, trace)
    assert (trace.facts[Source.STATUS], trace.facts[Source.JSON]) == (200, {"data": {"__typename": "Query"}})


@pytest.mark.proves("graphql", "errors")
@pytest.mark.parametrize("query", ["{ broken }", "{ unknown }"])
async def test_errors_fail_without_being_repeated(graphql_server: GraphqlServer, engine: Engine, query: str) -> None:
    observation = await observed(engine, graphql_server.url, query)
    assert (observation.reason, observation.message) == (Reason.STATUS, "the response has an error")


@pytest.mark.proves("graphql", "wrong shape")
async def test_data_that_is_not_there_is_named(graphql_server: GraphqlServer, engine: Engine) -> None:
    query = '{ shop(id: "7") { name orders { id } } none: shop(id: "8") { name } }'
    fields = ["shop.name", "shop.orders.0.id", "shop.orders.1.id", "none.name", "shop.name.first"]
    observation = await observed(engine, graphql_server.url, query, expected_fields=fields)
    message = "the data has no shop.orders.1.id, none.name, shop.name.first"
    assert (observation.reason, observation.message) == (Reason.ASSERTION, message)


@pytest.mark.proves("graphql", "subscription")
@pytest.mark.proves("graphql", "variables")
async def test_a_subscription_delivers(graphql_server: GraphqlServer, engine: Engine) -> None:
    trace = Trace(timedelta(seconds=10))
    query = "subscription ($first: Int!) { ticks(first: $first) }"
    fields: dict[str, Any] = {"variables": '{"first": 7}', "expected_fields": ["ticks"]}
    target = GraphqlTarget(url=graphql_server.url, query=query, subscription={"connection_payload": "{}"}, **fields)
    await probe_graphql(target, engine, trace)
    assert trace.facts[Source.JSON] == {"data": {"ticks": 7}}


@pytest.mark.parametrize(
    ("query", "reason", "message"),
    [
        ("subscription { nothing }", Reason.ASSERTION, "the subscription ended without delivering anything"),
        ("subscription { unknown }", Reason.STATUS, "the response has an error"),
    ],
)
async def test_a_subscription_without_data_fails(
    graphql_server: GraphqlServer, engine: Engine, query: str, reason: Reason, message: str
) -> None:
    observation = await observed(engine, graphql_server.url, query, subscription={})
    assert (observation.reason, observation.message) == (reason, message)


async def test_no_request_with_a_secret_is_kept(graphql_server: GraphqlServer, engine: Engine) -> None:
    target = GraphqlTarget(url=graphql_server.url, query="{ __typename }", auth={"bearer": {"token": "swordfish"}})
    redaction = Redaction(frozenset({"swordfish"}))
    assert (await probe(target, timedelta(seconds=10), engine, redaction)).outcome is Outcome.SUCCESS
    assert not any(b"swordfish" in call.wire for call in probes.kinds.graphql.prober._calls.values())
    await probe(target, timedelta(seconds=10), engine)
    assert any(b"swordfish" in call.wire for call in probes.kinds.graphql.prober._calls.values())


async def test_a_web_server_answers_no_graphql(nginx: Nginx, engine: Engine) -> None:
    assert (await observed(engine, nginx.url())).message == (
        "the response is no GraphQL response, which is a JSON object"
    )
    assert (await observed(engine, nginx.url("/status/500"))).message == "expected 200-299, got 500"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" * 4_000, Reason.PROTOCOL),
        (b"[" * 100_000, Reason.BODY_LIMIT),
        (b'{"data": {' + b'"a": 7,' * 11_000 + b'"b": 7}}', Reason.BODY_LIMIT),
        (b"{}", Reason.PROTOCOL),
        (b'{"data": null}', Reason.PROTOCOL),
        (b'{"data": {}, "errors": 7}', Reason.PROTOCOL),
        (b'{"errors": [{"extensions": {"code": "a b"}}, 7, null]}', Reason.STATUS),
        (b" " * (MAX_RESPONSE_BYTES + 1), Reason.BODY_LIMIT),
    ],
)
async def test_nonsense_is_no_response(serve_bytes: ServeBytes, engine: Engine, body: bytes, reason: Reason) -> None:
    observation = await observed(engine, await serve_bytes(b"HTTP/1.1 200 OK\r\n\r\n", body))
    assert (observation.reason, observation.outcome) == (reason, Outcome.FAILURE)


async def test_codes_of_errors_are_told_and_a_status_does_not_hide_them(
    serve_bytes: ServeBytes, engine: Engine
) -> None:
    body = b'{"errors": [{"extensions": {"code": "BAD_INPUT"}}, {"message": "swordfish"}]}'
    observation = await observed(engine, await serve_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n", body))
    assert observation.message == "the response has 2 errors: BAD_INPUT"


def framed(text: bytes) -> bytes:
    return b"\x81" + bytes((len(text),)) + text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (framed(b"hello"), Reason.PROTOCOL),
        (framed(b'{"type": 7}'), Reason.PROTOCOL),
        (framed(b'{"type": "next", "id": "1"}'), Reason.PROTOCOL),
        (framed(b'{"type": "connection_ack"}') + framed(b'{"type": "next", "id": "2"}'), Reason.PROTOCOL),
        (framed(b'{"type": "connection_ack"}') + framed(b'{"type": "next", "id": "1"}'), Reason.PROTOCOL),
        (b"\x88\x02\x11\x31", Reason.AUTHENTICATION),
        (b"\x88\x02\x11\x30", Reason.PROTOCOL),
    ],
)
async def test_another_protocol_on_a_web_socket_is_nonsense(
    serve: Serve, engine: Engine, said: bytes, reason: Reason
) -> None:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        chosen = b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        writer.write(opened(await read_request(reader)) + chosen + said)
        await reader.read()

    observation = await observed(engine, f"http://127.0.0.1:{await serve(talk)}/", subscription={})
    assert observation.reason is reason
