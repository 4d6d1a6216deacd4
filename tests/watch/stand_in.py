"""A small server that speaks graphql-transport-ws as the API does, and fails as a test wants it to."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOKEN = "tocsin_right"


def check_node(number: int, **fields: Any) -> dict[str, Any]:
    """A check as a page of checks shows it."""
    return {
        **named(number),
        "kind": "HTTP",
        "status": "UP",
        "statusSince": NOON.isoformat(),
        "uptime": {"ratio": 0.999, "until": NOON.isoformat()},
        "openIncident": None,
        "lastResult": result(0),
        "results": {"nodes": [result(0)]},
        **fields,
    }


def named(number: int) -> dict[str, Any]:
    return {"id": f"id-{number}", "name": f"check {number}", "site": {"name": "shop"}}


def slot(second: int) -> str:
    return (NOON + timedelta(seconds=second)).isoformat()


def result(second: int, **fields: Any) -> dict[str, Any]:
    brief = {"durationMs": 12.5, "outcome": "SUCCESS", "reason": None, "message": None, "statusCode": 200}
    return {"slot": slot(second), **brief, **fields}


def incident(number: int, **fields: Any) -> dict[str, Any]:
    opened = {"id": f"incident-{number}", "openedAt": NOON.isoformat(), "acknowledgedAt": None, "resolvedAt": None}
    return {**opened, "cause": "TIMEOUT", "message": "no answer in 10 s", **fields}


class StandIn:
    """Keeps a log of events, of which each subscription gets its own, after its cursor."""

    def __init__(self) -> None:
        self.checks = [check_node(1), check_node(2)]
        self.port = 0
        self.oldest_cursor = 0
        self.connections = 0
        self.questions: list[dict[str, Any]] = []
        self.refusal: dict[str, Any] | None = None
        self.acknowledgement: str | None = None
        self.http_status: HTTPStatus | None = None
        self.on_question = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._log: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Condition()
        self._sockets: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["StandIn"]:
        """Listen; always on the same port."""
        protocols = [Subprotocol("graphql-transport-ws")]
        options: dict[str, Any] = {"subprotocols": protocols, "process_request": self._let_in}
        async with serve(self._serve, "127.0.0.1", self.port, **options) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            try:
                yield self
            finally:
                self.cut()

    def cut(self) -> None:
        """End all connections without a word."""
        for socket in self._sockets:
            socket.transport.abort()

    async def close(self, code: int, reason: str) -> None:
        for socket in list(self._sockets):
            await socket.close(code, reason)

    async def tell(self, subscription: str, **event: Any) -> None:
        async with self._news:
            self._log.append((subscription, event))
            self._news.notify_all()

    async def tell_result(self, number: int, second: int, **fields: Any) -> None:
        await self.tell("checkResults", check=named(number), result=result(second, **fields))

    async def tell_status(self, number: int, second: int, before: str, to: str) -> None:
        at = slot(second)
        check = {**named(number), "status": to, "statusSince": at}
        await self.tell("statusChanges", check=check, at=at, reason=None, to=to, **{"from": before})

    def _let_in(self, socket: ServerConnection, _: Request) -> Response | None:
        return None if self.http_status is None else socket.respond(self.http_status, "no WebSocket\n")

    async def _serve(self, socket: ServerConnection) -> None:
        self.connections += 1
        self._sockets.add(socket)
        tasks: list[asyncio.Task[None]] = []
        with suppress(ConnectionClosed):
            await self._enter(socket)
            async for message in socket:
                operation = json.loads(message)
                answer = self._answer(socket, operation["id"], operation["payload"])
                tasks.append(asyncio.create_task(answer))
        self._sockets.discard(socket)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _enter(self, socket: ServerConnection) -> None:
        init = json.loads(await socket.recv())
        if init != {"type": "connection_init", "payload": {"Authorization": f"Bearer {TOKEN}"}}:
            await socket.close(4403, "A valid token is needed.")
        if self.acknowledgement is None:
            await _send(socket, type="connection_ack", payload={"cursor": str(len(self._log))})
        else:
            await socket.send(self.acknowledgement)

    async def _answer(self, socket: ServerConnection, operation: str, payload: dict[str, Any]) -> None:
        if "subscription" in payload["query"]:
            await self._replay(socket, operation, int(payload["variables"]["after"]))
            return
        self.questions.append(payload)
        self.on_question.set()
        data = self._page(**payload["variables"], with_results="results(" in payload["query"])
        await self.may_answer.wait()
        if self.refusal:
            await _send(socket, type="error", id=operation, payload=[self.refusal])
            return
        await _send(socket, type="next", id=operation, payload={"data": data})
        await _send(socket, type="complete", id=operation)

    def _page(self, first: int, after: str | None, *, with_results: bool) -> dict[str, Any]:
        start = int(after or 0)
        end = start + first
        page = {"hasNextPage": end < len(self.checks), "endCursor": str(end)}
        left_out = set() if with_results else {"results"}
        nodes = [
            {name: value for name, value in node.items() if name not in left_out} for node in self.checks[start:end]
        ]
        return {"viewer": {"organization": {"name": "acme"}}, "checks": {"pageInfo": page, "nodes": nodes}}

    async def _replay(self, socket: ServerConnection, subscription: str, after: int) -> None:
        if after < self.oldest_cursor:
            error = {"message": "gone", "extensions": {"code": "CURSOR_EXPIRED"}}
            await _send(socket, type="error", id=subscription, payload=[error])
            return
        for place in itertools.count(after):
            async with self._news:
                while place == len(self._log):
                    await self._news.wait()
            name, event = self._log[place]
            if name == subscription:
                data = {name: {"cursor": str(place + 1), **event}}
                await _send(socket, type="next", id=subscription, payload={"data": data})


async def _send(socket: ServerConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))
