"""Subscriptions, by the protocol graphql-transport-ws (github.com/enisdenjo/graphql-ws, PROTOCOL.md)."""

import json
from contextlib import closing
from typing import Any, Final

from probes.deadline import Deadline
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.graphql.responses import read_object, require_no_errors
from probes.trace import Phase, Trace
from probes.wire.expecting import note_received
from probes.wire.http_transport import Call
from probes.wire.web_sockets import WebSocket, open_web_socket
from tocsin.domain.observations import Reason
from tocsin.domain.targets.graphql import GraphqlSubscription, GraphqlTarget

SUBPROTOCOL: Final = "graphql-transport-ws"
_ID: Final = "1"
_REFUSALS: Final = frozenset({4401, 4403})


async def await_delivery(
    call: Call,
    target: GraphqlTarget,
    subscription: GraphqlSubscription,
    operation: dict[str, Any],
    engine: Engine,
    trace: Trace,
) -> dict[str, Any]:
    """The first response that the subscription delivers. Raises ProbeFailure if none comes."""
    with closing(await open_web_socket(call, target.auth, (SUBPROTOCOL,), engine, trace)) as web_socket:
        trace.enter(Phase.PROCESSING)
        await _begin(web_socket, subscription)
        _say(web_socket, {"id": _ID, "type": "subscribe", "payload": operation})
        response = await _delivered(web_socket, subscription.within_seconds, trace)
        _say(web_socket, {"id": _ID, "type": "complete"})
        return response


async def _begin(web_socket: WebSocket, subscription: GraphqlSubscription) -> None:
    beginning: dict[str, Any] = {"type": "connection_init"}
    if subscription.connection_payload is not None:
        beginning["payload"] = json.loads(subscription.connection_payload)
    _say(web_socket, beginning)
    if (await _hear(web_socket))["type"] != "connection_ack":
        raise _nonsense()


async def _delivered(web_socket: WebSocket, within_seconds: int | None, trace: Trace) -> dict[str, Any]:
    try:
        with Deadline(trace.remaining_seconds + 1 if within_seconds is None else within_seconds):
            return await _next(web_socket, trace)
    except TimeoutError as exc:
        raise ProbeFailure(Reason.TIMEOUT, f"the subscription delivered nothing within {within_seconds} s") from exc


async def _next(web_socket: WebSocket, trace: Trace) -> dict[str, Any]:
    message = await _hear(web_socket)
    trace.enter(Phase.TRANSFER)
    note_received(json.dumps(message).encode(), trace)
    if message.get("id") != _ID:
        raise _nonsense()
    if message["type"] == "error":
        require_no_errors(message.get("payload"))
    if message["type"] == "complete":
        raise ProbeFailure(Reason.ASSERTION, "the subscription ended without delivering anything")
    payload = message.get("payload")
    if message["type"] != "next" or not isinstance(payload, dict):
        raise _nonsense()
    return payload


async def _hear(web_socket: WebSocket) -> dict[str, Any]:
    """The next message other than a ping, which is answered, or a pong."""
    while (said := await web_socket.receive()) is not None:
        message = read_object(said.encode() if isinstance(said, str) else said)
        if message is None or not isinstance(message.get("type"), str):
            raise _nonsense()
        if message["type"] == "ping":
            _say(web_socket, {"type": "pong"})
        elif message["type"] != "pong":
            return message
    code = web_socket.close_code
    reason = Reason.AUTHENTICATION if code in _REFUSALS else Reason.PROTOCOL
    raise ProbeFailure(reason, f"the server closed the WebSocket with code {code}")


def _say(web_socket: WebSocket, message: dict[str, Any]) -> None:
    web_socket.send(json.dumps(message))


def _nonsense() -> ProbeFailure:
    return ProbeFailure(Reason.PROTOCOL, "the server does not speak graphql-transport-ws")
