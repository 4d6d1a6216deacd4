"""The routes of live updates. They need uvicorn with `graphql_api.live.wire.UVICORN_OPTIONS`."""

from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from graphql_api.live.entry import Entry
from graphql_api.live.sse import EventStreamView
from graphql_api.live.websocket import serve_websocket


def live_routes(entry: Entry) -> list[Route | WebSocketRoute]:
    """`/graphql` as a WebSocket, and `/graphql/stream`; `entry.running()` must be open while they are served."""

    async def websocket(websocket: WebSocket) -> None:
        await serve_websocket(entry, websocket)

    return [WebSocketRoute("/graphql", websocket), Route("/graphql/stream", EventStreamView(entry))]
