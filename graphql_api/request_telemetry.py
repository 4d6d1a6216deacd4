"""What the API counts and logs of every request. The text of queries is no part of it."""

import time
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphql_api.front_page import FRONT_PATH
from graphql_api.operations import OPERATION_PATHS

REQUESTS: Final = Counter("tocsin_api_requests_total", "Requests that were answered.", ["path", "method", "status"])
DURATION: Final = Histogram(
    "tocsin_api_request_seconds",
    "From a request to the end of its answer.",
    ["path"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
SOCKETS: Final = Gauge("tocsin_api_sockets", "WebSockets that are open.", multiprocess_mode="livesum")

_PATHS: Final = OPERATION_PATHS | {FRONT_PATH, "/graphql", "/graphql/stream"}
_METHODS: Final = frozenset({"GET", "POST", "OPTIONS", "HEAD"})

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RequestTelemetry:
    """Counts requests and sockets, and logs requests but those of orchestrators."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._measure(scope, receive, send)
        elif scope["type"] == "websocket":
            with SOCKETS.track_inprogress():
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _measure(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        answer: Message = {"status": 500, "headers": []}

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.update(message)
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            _note(scope, answer, time.perf_counter() - started)


def _note(scope: Scope, answer: Message, seconds: float) -> None:
    # What strangers make up must not make metrics without end.
    path = scope["path"] if scope["path"] in _PATHS else "other"
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(path, method, answer["status"]).inc()
    DURATION.labels(path).observe(seconds)
    if path not in OPERATION_PATHS:
        _logger.info(
            "request",
            method=method,
            path=path,
            status=answer["status"],
            duration_ms=round(seconds * 1000, 1),
            request_id=dict(answer["headers"]).get(b"x-request-id", b"").decode() or None,
        )
