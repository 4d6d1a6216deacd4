"""graphql-transport-ws: what is said when, and with which code a socket ends."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.graphql_api.live.harness import RESULTS, Api, World, closed


async def test_a_ping_is_answered_with_its_payload(api: Api) -> None:
    async with api.connect() as socket:
        await socket.send('{"type": "ping", "payload": {"n": 1}}')
        assert json.loads(await socket.recv()) == {"type": "pong", "payload": {"n": 1}}
        await socket.send('{"type": "pong"}')
        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}


async def test_who_does_not_initialise_is_closed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphql_api.live.websocket.INIT_SECONDS", 0.05)
    async with api.connect() as socket:
        assert await closed(socket) == 4408


async def test_who_initialised_in_time_stays(api: Api, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphql_api.live.websocket.INIT_SECONDS", 0.05)
    async with api.client(world.token) as client:
        await asyncio.sleep(0.1)
        await client.send(type="ping")
        assert (await client.receive())["type"] == "pong"


async def test_the_token_can_come_in_the_header(api: Api, world: World) -> None:
    async with api.connect(additional_headers={"Authorization": f"Bearer {world.token}"}) as socket:
        await socket.send('{"type": "connection_init"}')
        assert json.loads(await socket.recv())["type"] == "connection_ack"


async def test_a_wrong_token_is_forbidden(api: Api) -> None:
    payloads: list[Any] = [
        None,
        {},
        [],
        {"Authorization": 5},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "x"},
    ]
    for payload in payloads:
        async with api.connect() as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert await closed(socket) == 4403, payload


async def test_subscribing_before_the_acknowledgement_is_unauthorized(api: Api) -> None:
    async with api.connect() as socket:
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": RESULTS}}))
        assert await closed(socket) == 4401


async def test_initialising_twice_is_too_much(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.send(type="connection_init")
        assert await closed(client.socket) == 4429


async def test_an_id_cannot_be_used_twice_at_once(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe()
        await client.subscribe()
        assert await closed(client.socket) == 4409


async def test_an_id_can_be_used_again_after_its_operation_has_ended(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        for _ in range(3):
            await client.subscribe("{ viewer { organization { name } } }")
            await client.next()
            await client.receive()
        await client.subscribe()
        await api.joined()
        await client.send(type="complete", id="1")
        await client.subscribe()
        await api.joined()


NO_MESSAGES: list[str | bytes] = [
    "no JSON",
    "5",
    "[]",
    "{}",
    b"{}",
    '{"type": "start"}',
    '{"type": ["ping"]}',
    '{"type": "subscribe", "payload": {"query": "{ viewer { id } }"}}',
    '{"type": "subscribe", "id": 5, "payload": {"query": "{ viewer { id } }"}}',
    '{"type": "subscribe", "id": "1"}',
    '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { id } }", "variables": []}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { id } }", "operationName": {}}}',
    '{"type": "subscribe", "id": "%s", "payload": {"query": "{ viewer { id } }"}}' % ("x" * 129),
    '{"type": "complete"}',
    '{"type": "ping", "payload": "\\ud800"}',
]


async def test_what_is_no_message_of_the_protocol_ends_the_socket(api: Api, world: World) -> None:
    for message in NO_MESSAGES:
        async with api.client(world.token) as client:
            await client.socket.send(message)
            assert await closed(client.socket) == 4400, message


@pytest.mark.parametrize("protocols", [None, ["graphql-ws"]])
async def test_another_subprotocol_is_not_acceptable(api: Api, protocols: Any) -> None:
    async with connect(api.url.replace("http", "ws") + "/graphql", subprotocols=protocols) as socket:
        assert await closed(socket) == 4406


async def test_a_message_that_is_too_large_ends_the_socket(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe("{ viewer { id } }" + " " * 65_536)
        assert await closed(client.socket) == 1009


async def test_a_socket_has_a_hundred_operations_at_most(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        for number in range(101):
            await client.subscribe(operation_id=str(number))
        message = await client.receive()
        assert (message["type"], message["id"]) == ("error", "100")
        assert message["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        await api.joined(100)


async def test_completing_what_has_ended_changes_nothing(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.send(type="complete", id="never was")
        await client.send(type="ping")
        assert (await client.receive())["type"] == "pong"
