"""One distinct subscription, executed once for each event, whoever gets it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import orjson
import strawberry
from graphql import DocumentNode, ExecutionResult, GraphQLError
from graphql.execution import Executor, execute_subscription_event

from graphql_api.context import Context
from graphql_api.errors import give_code
from graphql_api.live.batches import Batch
from graphql_api.live.pages import ShownItem
from tocsin.services.event_reading import ItemKind

# Executing this many takes a few milliseconds, after which others have their turn.
SLICE: Final = 50


class Execution:
    """Executes a document that was validated, with variables that fit it."""

    def __init__(
        self, schema: strawberry.Schema, document: DocumentNode, variables: dict[str, Any], context: Context
    ) -> None:
        executor = schema.execution_context_class.build(
            schema._schema,  # noqa: SLF001 - Strawberry has no way to execute one event of a subscription
            document,
            context_value=context,
            raw_variable_values=variables,
            hide_suggestions=True,
            operation_extensions=None,
        )
        if not isinstance(executor, Executor):
            raise executor[0]
        self._executor = executor
        self._context = context

    async def execute(self, items: Sequence[ShownItem]) -> Batch:
        """One payload for each item. Give it at most a slice at a time: it does not stop in between."""
        for item in items:
            if item.kind is ItemKind.INCIDENT_EVENT:
                self._context.checks.prime(item.check.key, item.check)
        try:
            results = await self._results(items)
        finally:
            await self._context.close()
        cursors = (item.event.cursor for item in items)
        return Batch([(cursor, self._payload(result)) for cursor, result in zip(cursors, results, strict=True)])

    async def _results(self, items: Sequence[ShownItem]) -> list[ExecutionResult]:
        """Most events need nothing but their row; the others ask the database, all of them together."""
        started = [execute_subscription_event(self._executor.build_per_event_executor(item.event)) for item in items]
        waiting = [result for result in started if not isinstance(result, ExecutionResult)]
        ended = iter(await asyncio.gather(*waiting)) if waiting else iter(())
        return [result if isinstance(result, ExecutionResult) else next(ended) for result in started]

    def _payload(self, result: ExecutionResult) -> bytes:
        return encode(result.data, result.errors, self._context.request_id)


def encode(data: dict[str, Any] | None, errors: Sequence[GraphQLError] | None, request_id: str) -> bytes:
    """The result of an operation in JSON."""
    payload: dict[str, Any] = {"data": data}
    if errors:
        payload["errors"] = format_errors(errors, request_id)
    return orjson.dumps(payload)


def format_errors(errors: Sequence[GraphQLError], request_id: str) -> list[dict[str, Any]]:
    for error in errors:
        give_code(error, request_id)
    return [dict(error.formatted) for error in errors]


def error_of(cause: Exception) -> GraphQLError:
    """An exception as the error of an operation. What crashed is logged and hidden when it is formatted."""
    return cause if isinstance(cause, GraphQLError) else GraphQLError(str(cause), original_error=cause)
