"""graphql-transport-ws: one socket, its operations, and what ends them.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
from typing import Any, Final

import orjson
from starlette.types import Message
from starlette.websockets import WebSocket

from graphql_api.errors import limit_exceeded
from graphql_api.live.batches import frame
from graphql_api.live.entry import Entry
from graphql_api.live.execution import format_errors
from graphql_api.live.failures import note_failure
from graphql_api.live.hub import Request
from graphql_api.live.operation import Operation
from graphql_api.live.origins import may_connect
from graphql_api.live.wire import TRY_AGAIN_LATER, Wire, wire_of
from graphql_api.view import RefusedRequestError
from tocsin.services.accounts import Principal

PROTOCOL: Final = "graphql-transport-ws"
MAXIMUM_OPERATIONS: Final = 100
# Each event carries the id of its operation.
LONGEST_ID: Final = 128
INIT_SECONDS: Final = 10.0

BAD_REQUEST: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
SUBPROTOCOL_NOT_ACCEPTABLE: Final = 4406
INIT_TIMEOUT: Final = 4408
DUPLICATE_ID: Final = 4409
TOO_MANY_INITS: Final = 4429


async def serve_websocket(entry: Entry, websocket: WebSocket) -> None:
    """Serve one WebSocket until it is closed."""
    if not may_connect(websocket.headers, entry.allowed_origins):
        await websocket.close()
        return
    speaks = PROTOCOL in websocket["subprotocols"]
    await websocket.accept(PROTOCOL if speaks else None)
    socket = Socket(entry, wire_of(websocket), websocket.headers.get("authorization", ""))
    if not speaks:
        socket.end(SUBPROTOCOL_NOT_ACCEPTABLE, f"Speak {PROTOCOL}.")
    await socket.serve(websocket)


class Socket:
    """A client, and the operations that it has under way."""

    def __init__(self, entry: Entry, wire: Wire, authorization: str) -> None:
        self.entry = entry
        self.wire = wire
        self.principal: Principal | None = None
        self._authorization = authorization
        self._operations: dict[str, Operation] = {}
        self._init_came = False

    async def serve(self, websocket: WebSocket) -> None:
        deadline = asyncio.get_running_loop().call_later(INIT_SECONDS, self._miss_init)
        try:
            while (message := await websocket.receive())["type"] == "websocket.receive":
                await self._read(message)
        finally:
            deadline.cancel()
            self._leave()

    def send(self, message: dict[str, Any]) -> None:
        self.wire.write(frame(orjson.dumps(message)))

    def end(self, code: int, reason: str) -> None:
        self.wire.end(code, reason)
        self._leave()

    def forget(self, operation_id: str) -> None:
        """The operation has ended by itself."""
        self._operations.pop(operation_id, None)

    def _leave(self) -> None:
        for operation in self._operations.values():
            operation.stop()
        self._operations.clear()
        self.entry.sessions.remove(self._authorization, self._lose_token)

    def _miss_init(self) -> None:
        if not self._init_came:
            self.end(INIT_TIMEOUT, f"Send connection_init within {INIT_SECONDS:g} seconds.")

    def _lose_token(self) -> None:
        self.end(FORBIDDEN, "The token is not valid any more.")

    async def _read(self, received: Message) -> None:
        if not self.wire.is_open:
            return
        try:
            message = orjson.loads(received.get("text") or "")
        except orjson.JSONDecodeError:
            message = None
        match message:
            case {"type": "connection_init"}:
                await self._init(message.get("payload"))
            case {"type": "ping"}:
                self.send({"type": "pong", **{key: message[key] for key in ("payload",) if key in message}})
            case {"type": "pong"}:
                pass
            case {"type": "subscribe", "id": str(operation_id), "payload": {"query": str()} as payload}:
                self._subscribe(operation_id, payload)
            case {"type": "complete", "id": str(operation_id)}:
                self._complete(operation_id)
            case _:
                self.end(BAD_REQUEST, f"This is no message of {PROTOCOL}.")

    async def _init(self, payload: object) -> None:
        if self._init_came:
            self.end(TOO_MANY_INITS, "Send connection_init once.")
            return
        self._init_came = True
        self._authorization = _authorization(payload) or self._authorization
        try:
            principal = await self.entry.gate.enter(self._authorization)
            cursor = await self.entry.present_cursor(principal)
        except RefusedRequestError:
            self.end(FORBIDDEN, "A valid token is needed.")
        except Exception as exc:
            self._fail_init(exc)
        else:
            self.principal = principal
            self.entry.sessions.add(self._authorization, self._lose_token)
            self.send({"type": "connection_ack", "payload": {"cursor": cursor}})

    def _fail_init(self, cause: Exception) -> None:
        note_failure(cause)
        self.end(TRY_AGAIN_LATER, "The database does not answer; try again soon.")

    def _subscribe(self, operation_id: str, payload: dict[str, Any]) -> None:
        request = _request(payload)
        if self.principal is None:
            self.end(UNAUTHORIZED, "Send connection_init first.")
        elif operation_id in self._operations:
            self.end(DUPLICATE_ID, "An operation with this id is under way.")
        elif request is None or len(operation_id) > LONGEST_ID:
            self.end(BAD_REQUEST, f"This is no operation, or its id is longer than {LONGEST_ID} characters.")
        elif len(self._operations) >= MAXIMUM_OPERATIONS:
            error = limit_exceeded("operations per socket", MAXIMUM_OPERATIONS, "Complete an operation first.")
            self.send({"type": "error", "id": operation_id, "payload": format_errors([error], "live")})
        else:
            self._operations[operation_id] = Operation(self, self.principal, operation_id, request)

    def _complete(self, operation_id: str) -> None:
        if operation := self._operations.pop(operation_id, None):
            operation.stop()


def _authorization(payload: object) -> str:
    """The token in the payload of `connection_init`, as browsers send it: they cannot set headers."""
    match payload:
        case {"Authorization": str(value)} | {"authorization": str(value)}:
            return value
    return ""


def _request(payload: dict[str, Any]) -> Request | None:
    match payload.get("operationName"), payload.get("variables"):
        case (None | str()) as name, (None | dict()) as variables:
            return Request(payload["query"], name, variables)
    return None
