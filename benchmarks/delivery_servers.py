"""What our deliveries are measured against, each a server: `python -m benchmarks.delivery_servers stock|raw <port>`.

`stock` is Strawberry's own graphql-transport-ws with one generator for each subscriber, fed from memory. `raw` sends a
frame that is made already. `/emit?count=...&seconds=...` lets events happen, evenly in that time.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import GraphQL

from graphql_api.checks.types import Check
from graphql_api.live.events import CheckResultEvent
from graphql_api.schema import Query

NOW = datetime.now(UTC)
RAW_FRAME = '{"id":"%s","type":"next","payload":%s}'
PAYLOAD = '{"data":{"checkResults":{"cursor":"' + "x" * 480 + '"}}}'

queues: set["asyncio.Queue[CheckResultEvent]"] = set()
sockets: dict[WebSocket, str] = {}


def event() -> CheckResultEvent:
    """A result like those that are recorded."""
    row: dict[str, Any] = dict.fromkeys(("reason", "message", "resolve_us", "tls_us", "certificate_expires_at"))
    row |= dict.fromkeys(("attempts", "tls_verified", "evidence"))
    row |= {
        "slot": NOW,
        "started_at": NOW,
        "duration_us": 4_200,
        "outcome": 1,
        "status_code": 200,
        "location": "default",
    }
    row |= {"connect_us": 310, "processing_us": 2_480, "transfer_us": 95, "address": "192.0.2.7"}
    check: dict[str, Any] = dict.fromkeys(("interval_seconds", "deleted_at", "certificate_expires_at"))
    check |= {"id": 1, "name": "check 1", "kind": "http", "status": "UP", "since": NOW, "timeout_ms": 5000}
    check |= {"failure_threshold": 3, "success_threshold": 2, "paused": False, "created_at": NOW, "updated_at": NOW}
    shown = Check.from_row(cast("asyncpg.Record", check))
    return CheckResultEvent.of("ZXZlbnQ6MToxMjM0OjA", shown, cast("asyncpg.Record", row))


@strawberry.type
class Subscription:
    """One generator for each subscriber, as Strawberry's documentation shows."""

    @strawberry.subscription
    async def check_results(self) -> AsyncGenerator[CheckResultEvent]:
        """What is put into this subscriber's queue."""
        queue: asyncio.Queue[CheckResultEvent] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)


async def raw(websocket: WebSocket) -> None:
    """Just enough of the protocol to take part."""
    await websocket.accept("graphql-transport-ws")
    await websocket.receive_json()
    await websocket.send_json({"type": "connection_ack"})
    sockets[websocket] = (await websocket.receive_json())["id"]
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        del sockets[websocket]


async def emit(request: Request) -> Response:
    """Let events happen, one after the other."""
    count, seconds = int(request.query_params["count"]), float(request.query_params["seconds"])
    for _ in range(count):
        happened = event()
        for queue in queues:
            queue.put_nowait(happened)
        for websocket, operation_id in sockets.items():
            await websocket.send_text(RAW_FRAME % (operation_id, PAYLOAD))
        await asyncio.sleep(seconds / count)
    return Response()


def main() -> None:
    """Serve until killed."""
    kind, port = sys.argv[1], int(sys.argv[2])
    endpoint = raw if kind == "raw" else GraphQL(strawberry.Schema(Query, subscription=Subscription))
    app = Starlette(routes=[Route("/emit", emit), WebSocketRoute("/graphql", endpoint)])
    uvicorn.run(app, port=port, log_config=None, access_log=False, ws_per_message_deflate=False, loop="uvloop")


if __name__ == "__main__":
    main()
