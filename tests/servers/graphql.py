"""A GraphQL server: Strawberry's on uvicorn, in a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import strawberry
import uvicorn
from strawberry.asgi import GraphQL

from tests.servers.processes import ADDRESS, LoopbackServer


class GraphqlServer(LoopbackServer):
    """Port `plain`. The shop 7 is open, others are none; `broken` has errors; `ticks` delivers, `silence` does not."""

    name = "graphql"
    keeps_account = True

    def command(self) -> list[str]:
        root = Path(__file__).parents[2]
        code = f"import sys; sys.path.insert(0, {str(root)!r}); from {__name__} import serve; serve(*sys.argv[1:])"
        return [sys.executable, "-c", code, *map(str, self.ports.values())]

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.ports['plain']}/graphql"


@strawberry.type
class Order:
    id: int


@strawberry.type
class Shop:
    name: str
    orders: list[Order]


@strawberry.type
class Query:
    @strawberry.field
    def shop(self, id: strawberry.ID) -> Shop | None:  # noqa: A002 - as everybody names it
        return Shop(name="Corner", orders=[Order(id=1)]) if id == "7" else None

    @strawberry.field
    def broken(self) -> str:
        raise ValueError("no such luck")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, first: int = 0) -> AsyncIterator[int]:
        yield first

    @strawberry.subscription
    async def silence(self) -> AsyncIterator[int]:
        await asyncio.Event().wait()
        yield 0

    @strawberry.subscription
    async def nothing(self) -> AsyncIterator[int]:
        none: list[int] = []
        for never in none:
            yield never


def serve(port: str) -> None:
    app = GraphQL[None, None](strawberry.Schema(Query, subscription=Subscription))
    uvicorn.run(app, host=ADDRESS, port=int(port), log_level="critical")
