"""`/graphql` over HTTP: who may ask, how, and how large a request may be."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
from cross_web import HTTPException
from graphql import GraphQLError, OperationType, get_operation_ast
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol

from graphql_api.context import DEFAULT_RECEIVER_URL, Context, Hints
from graphql_api.documents import prepare
from graphql_api.errors import UNAVAILABLE, log_crash, what_is_told
from graphql_api.limits import MAXIMUM_BODY_BYTES
from graphql_api.schema import schema
from tocsin.encryption import KeyRing
from tocsin.rate_limit import RateLimiter
from tocsin.services.accounts import Authenticator, Principal

# Who sends a body more slowly is not waited for.
_BODY_SECONDS: Final = 10.0
_ALLOWED: Final = "GET, POST"
_SUBSCRIBE: Final = (
    "Send a subscription to /graphql/stream with the header Accept: text/event-stream, or to /graphql over a WebSocket."
)


class RefusedRequestError(Exception):
    """A request that is answered without looking at what it asks."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


@dataclass(frozen=True)
class Gate:
    """What every way into the API shares: who may enter, and what an operation is given."""

    authenticator: Authenticator
    hints: Hints
    rate_limiter: RateLimiter
    keys: KeyRing
    receiver_url: str = DEFAULT_RECEIVER_URL

    async def enter(self, authorization: str) -> Principal:
        """Who asks, by an `Authorization` header. Raises RefusedRequestError."""
        scheme, _, token = authorization.partition(" ")
        principal = await self.authenticator.authenticate(token.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            message = "A valid token is needed, as in: Authorization: Bearer tocsin_..."
            raise RefusedRequestError(401, "UNAUTHENTICATED", message, **{"www-authenticate": "Bearer"})
        return principal

    def context(self, principal: Principal, request_id: str) -> Context:
        return Context(principal, request_id, self.hints, self.rate_limiter, self.keys, self.receiver_url)


class GraphQLView(GraphQL[Context, None]):
    """Strawberry's view, behind the gate; what it refuses is answered in GraphQL's form, with a code."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(schema)
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = await self._answer(scope, receive, request_id)
            response.headers["x-request-id"] = request_id
            response.headers["cache-control"] = "no-store"
            await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Response:
        try:
            return await self._enter(Request(scope, _bounded(receive)), request_id)
        except RefusedRequestError as refusal:
            return _refusal(refusal)
        except HTTPException as exc:
            return _refusal(_translated(exc))
        except ClientDisconnect:
            return _refusal(RefusedRequestError(400, "BAD_REQUEST", "The body ended too early."))
        except Exception as exc:
            log_crash(exc, request_id)
            return _refusal(_crash(exc))

    async def _enter(self, request: Request, request_id: str) -> Response:
        if request.method not in ("GET", "POST"):
            raise RefusedRequestError(405, "METHOD_NOT_ALLOWED", "Use GET or POST.", allow=_ALLOWED)
        if self.should_render_graphql_ide(self.request_adapter_class(request)):
            return await self.render_graphql_ide(request)
        principal = await self._gate.enter(request.headers.get("authorization", ""))
        _require_json(request)
        context = self._gate.context(principal, request_id)
        try:
            return await self.run(request, context=context)
        finally:
            # Before the answer is sent: a client that reads slowly holds no connection.
            await context.close()

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """Only for a browser: `curl` is answered by the API itself."""
        accepted = request.headers.get("accept", "")
        return request.method == "GET" and "text/html" in accepted and request.query_params.get("query") is None

    async def execute_operation(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on as it comes
        """Execute a query or a mutation. Raises RefusedRequestError for a subscription, which has ways of its own."""
        if _is_subscription(kwargs["request_data"]):
            raise RefusedRequestError(406, "NOT_ACCEPTABLE", _SUBSCRIBE)
        return await super().execute_operation(*args, **kwargs)

    def parse_json(self, data: str | bytes) -> Any:  # noqa: ANN401 - Strawberry's own signature
        """Read the body, or the variables of a query by GET."""
        parsed = super().parse_json(data)
        if not isinstance(parsed, dict | list):
            raise RefusedRequestError(400, "BAD_REQUEST", "The body must be a JSON object.")
        return parsed

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)


def _is_subscription(asked: GraphQLRequestData) -> bool:
    """Whether this is one; what cannot be parsed is refused when it is executed."""
    try:
        document = prepare(schema._schema, asked.query or "").document  # noqa: SLF001 - as `Documents` does
    except GraphQLError:
        return False
    operation = get_operation_ast(document, asked.operation_name)
    return operation is not None and operation.operation is OperationType.SUBSCRIPTION


def _require_json(request: Request) -> None:
    """Nothing that a form on a foreign page can send."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and media_type != "application/json":
        raise RefusedRequestError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAXIMUM_BODY_BYTES:
        raise _too_large()


def _too_large() -> RefusedRequestError:
    return RefusedRequestError(413, "LIMIT_EXCEEDED", f"A body may have at most {MAXIMUM_BODY_BYTES} bytes.")


def _bounded(receive: Receive) -> Callable[[], Any]:
    """Hand on a body until it is too large or too slow."""
    read = 0
    deadline: float | None = None

    async def bounded() -> Message:
        nonlocal read, deadline
        deadline = deadline or asyncio.get_running_loop().time() + _BODY_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            message_text = f"A body must arrive within {_BODY_SECONDS:g} seconds."
            raise RefusedRequestError(408, "BAD_REQUEST", message_text) from None
        read += len(message.get("body", b""))
        if read > MAXIMUM_BODY_BYTES:
            raise _too_large()
        return message

    return bounded


def _translated(exc: HTTPException) -> RefusedRequestError:
    """What Strawberry refuses: JSON that is none, batches, no query, mutations by GET."""
    if "not allowed when using" in exc.reason:
        return RefusedRequestError(405, "METHOD_NOT_ALLOWED", "Only queries can be asked by GET.", allow="POST")
    return RefusedRequestError(exc.status_code, "BAD_REQUEST", exc.reason)


def _crash(exc: Exception) -> RefusedRequestError:
    code, message = what_is_told(exc)
    return RefusedRequestError(503 if code == UNAVAILABLE else 500, code, message)


def _refusal(refusal: RefusedRequestError) -> Response:
    body = {"errors": [{"message": str(refusal), "extensions": {"code": refusal.code}}]}
    return Response(orjson.dumps(body), refusal.status, refusal.headers, "application/json")
