"""One operation of a WebSocket: a query, a mutation, or a subscription."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson
from graphql import GraphQLError
from strawberry.types.execution import PreExecutionError

from graphql_api.live.batches import Batch
from graphql_api.live.execution import encode, error_of, format_errors
from graphql_api.live.feeds import Membership
from graphql_api.live.hub import Request
from graphql_api.live.subscriptions import Watch
from tocsin.services.accounts import Principal

if TYPE_CHECKING:
    from graphql_api.live.websocket import Socket


class Operation:
    """Begins at once. As a subscriber it hands on what the hub delivers."""

    def __init__(self, socket: "Socket", principal: Principal, operation_id: str, request: Request) -> None:
        self._socket = socket
        self._wire = socket.wire
        self._id = operation_id
        self._id_json = orjson.dumps(operation_id)
        self._request_id = uuid4().hex
        self._membership: Membership | None = None
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._run(principal, request))

    def deliver(self, batch: Batch) -> None:
        self._wire.write(batch.frames(self._id_json))

    @property
    def has_room(self) -> bool:
        return self._wire.has_room

    async def drained(self) -> None:
        await self._wire.drained()

    def fail(self, error: GraphQLError) -> None:
        self._fail([error])

    def stop(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()
        if self._membership is not None:
            self._membership.leave()

    async def _run(self, principal: Principal, request: Request) -> None:
        entry = self._socket.entry
        try:
            outcome = await entry.begin(principal, request, self._request_id)
            if isinstance(outcome, Watch):
                self._membership = await entry.hub.join(principal, request, outcome, self)
            elif isinstance(outcome, PreExecutionError):
                self._fail(outcome.errors or ())
            else:
                self._complete(encode(outcome.data, outcome.errors, self._request_id))
        except Exception as exc:  # whatever it is, the client must not wait for ever
            self._fail([error_of(exc)])
        finally:
            self._task = None

    def _complete(self, payload: bytes) -> None:
        self._socket.forget(self._id)
        self._wire.write(Batch([("", payload)]).frames(self._id_json))
        self._socket.send({"type": "complete", "id": self._id})

    def _fail(self, errors: Sequence[GraphQLError]) -> None:
        self._socket.forget(self._id)
        if self._membership is not None:
            self._membership.leave()
        self._socket.send({"type": "error", "id": self._id, "payload": format_errors(errors, self._request_id)})
