"""What every way into live updates shares: who may enter, the hub, and how an operation begins."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from typing import Final

import strawberry
import structlog
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from graphql_api.live.cursors import cursor_of
from graphql_api.live.event_stream import EventStream
from graphql_api.live.hub import Hub, Request
from graphql_api.live.sessions import Sessions
from graphql_api.live.subscriptions import SubscriptionContext, Watch
from graphql_api.view import Gate
from tocsin.database import no_organization
from tocsin.doorbell import Doorbell
from tocsin.services.accounts import Principal
from tocsin.services.event_reading import newest_positions, start_of

EVERY_TYPE: Final = frozenset(OperationType)


class Entry:
    """One for an API process."""

    def __init__(
        self, schema: strawberry.Schema, gate: Gate, doorbell: Doorbell, allowed_origins: Collection[str] = ()
    ) -> None:
        self.gate = gate
        self.allowed_origins = frozenset(allowed_origins)
        self.sessions = Sessions(gate)
        self.hub = Hub(schema, doorbell, lambda principal: gate.context(principal, "live"))
        self.streams: set[EventStream] = set()
        self._schema = schema

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow what happens as long as the context is open."""
        tasks = [asyncio.create_task(self.hub.run()), asyncio.create_task(self.sessions.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def end_streams(self) -> None:
        """End every stream of events: a server that stops would wait for them. Their clients come back."""
        for stream in tuple(self.streams):
            stream.cut()

    async def present_cursor(self, principal: Principal) -> str:
        """The place after everything that happened so far. Whoever keeps it misses nothing before its first event."""
        organization_id = principal.organization_id
        async with no_organization() as connection:
            positions = await newest_positions(connection, [organization_id])
        return cursor_of(organization_id, positions.get(organization_id, start_of(1)))

    async def begin(
        self,
        principal: Principal,
        request: Request,
        request_id: str,
        *,
        after: str | None = None,
        types: Collection[OperationType] = EVERY_TYPE,
    ) -> ExecutionResult | Watch:
        """Execute a query or a mutation; of a subscription, say what it watches.

        `after` stands in the place of the subscription's own argument.
        """
        gate = self.gate
        context = SubscriptionContext(
            principal,
            request_id,
            gate.hints,
            gate.rate_limiter,
            gate.keys,
            gate.receiver_url,
            resume_after=after,
        )
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                result = await self._execute(request, context, types)
            finally:
                await context.close()
        if result is not None:
            return result
        assert context.watch is not None  # noqa: S101 - an operation that gives no result is a subscription
        return context.watch

    async def _execute(
        self, request: Request, context: SubscriptionContext, types: Collection[OperationType]
    ) -> ExecutionResult | None:
        stream = await self._schema.stream(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
            allowed_operation_types=types,
        )
        async with aclosing(stream):
            async for result in stream:
                if isinstance(result, ExecutionResult):
                    return result
        return None
