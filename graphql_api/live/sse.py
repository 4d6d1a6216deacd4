"""`/graphql/stream`: server-sent events, for clients without WebSockets. Each connection has one operation.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct connections mode
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from strawberry.http.base import BaseRequestProtocol
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET

from graphql_api.context import Context
from graphql_api.live.cursors import position_of
from graphql_api.live.entry import EVERY_TYPE, Entry
from graphql_api.live.event_stream import EventStream
from graphql_api.live.execution import encode, error_of
from graphql_api.live.feeds import Membership
from graphql_api.live.hub import Request
from graphql_api.live.subscriptions import Watch
from graphql_api.view import GraphQLView, RefusedRequestError
from tocsin.services.accounts import Principal

_MEDIA_TYPE: Final = "text/event-stream"
# Addresses are remembered and sent again by others: they change nothing.
_TYPES_BY_GET: Final = EVERY_TYPE - {OperationType.MUTATION}


class EventStreamView(GraphQLView):
    """The way of GraphQL over HTTP, but the answer is a stream of events."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.gate)
        self._entry = entry

    def should_render_graphql_ide(self, _: BaseRequestProtocol) -> bool:
        return False

    async def run(  # type: ignore[override]  # no WebSocket comes here
        self,
        request: HttpRequest,
        context: Context = UNSET,
        root_value: None = UNSET,  # noqa: ARG002 - Strawberry's own
    ) -> Response:
        accepted = request.headers.get("accept", "")
        if _MEDIA_TYPE not in accepted:
            raise RefusedRequestError(406, "NOT_ACCEPTABLE", f"Send the header Accept: {_MEDIA_TYPE}.")
        operation = await self._read(request)
        events = self._events(request, operation, context)
        return StreamingResponse(events, headers={"x-accel-buffering": "no"}, media_type=_MEDIA_TYPE)

    async def _read(self, request: HttpRequest) -> Request:
        data = await self.parse_http_body(self.request_adapter_class(request))
        if isinstance(data, list) or not data.query or not isinstance(data.operation_name, str | None):
            raise RefusedRequestError(400, "BAD_REQUEST", "Send one operation: query, operationName, variables.")
        return Request(data.query, data.operation_name, data.variables)

    async def _events(self, request: HttpRequest, operation: Request, context: Context) -> AsyncIterator[bytes]:
        stream = EventStream(context.request_id)
        authorization = request.headers["authorization"]
        self._entry.sessions.add(authorization, stream.lose_token)
        self._entry.streams.add(stream)
        membership: Membership | None = None
        try:
            membership = await self._begin(request, operation, context, stream)
            async with aclosing(stream.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self._entry.streams.discard(stream)
            self._entry.sessions.remove(authorization, stream.lose_token)
            if membership is not None:
                membership.leave()

    async def _begin(
        self, request: HttpRequest, operation: Request, context: Context, stream: EventStream
    ) -> Membership | None:
        types = _TYPES_BY_GET if request.method == "GET" else EVERY_TYPE
        seen = request.headers.get("last-event-id")
        try:
            outcome = await self._entry.begin(context.principal, operation, context.request_id, after=seen, types=types)
            if isinstance(outcome, Watch):
                return await self._join(context.principal, operation, outcome, stream)
            stream.complete(encode(outcome.data, outcome.errors, context.request_id))
        except Exception as exc:  # whatever it is, the client must not wait for ever
            stream.fail(error_of(exc))
        return None

    async def _join(self, principal: Principal, operation: Request, watch: Watch, stream: EventStream) -> Membership:
        if watch.after is None:
            cursor = await self._entry.present_cursor(principal)
            stream.begin_at(cursor)
            watch = replace(watch, after=position_of(principal.organization_id, cursor))
        return await self._entry.hub.join(principal, operation, watch, stream)
