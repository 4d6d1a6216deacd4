"""A WebSocket server: that of `websockets`, in a process of its own."""

import asyncio
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.typing import Subprotocol

from tests.servers.processes import ADDRESS, LoopbackServer

SUBPROTOCOL = Subprotocol("chat.v1")


class WebSocketServer(LoopbackServer):
    """Ports `plain` and `tls`. `/echo` says what it hears, `/greeting` says hello first, `/silent` nothing.

    It knows the subprotocol SUBPROTOCOL.
    """

    name = "websocket"
    listens = ("plain", "tls")
    keeps_account = True

    def command(self) -> list[str]:
        root = Path(__file__).parents[2]
        code = f"import sys; sys.path.insert(0, {str(root)!r}); from {__name__} import main; main(*sys.argv[1:])"
        return [sys.executable, "-c", code, str(self.credentials.certificate_file), *map(str, self.ports.values())]

    def url(self, path: str = "/echo", scheme: str = "ws") -> str:
        return f"{scheme}://{ADDRESS}:{self.ports['tls' if scheme == 'wss' else 'plain']}{path}"


async def converse(connection: ServerConnection) -> None:
    path = connection.request.path if connection.request else ""
    if path == "/greeting":
        await connection.send("hello")
    async for message in connection:
        if path != "/silent":
            await connection.send(message)


def choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


async def serve(certificate_file: str, plain: str, tls: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file)
    async with (
        serve_websockets(converse, ADDRESS, int(plain), select_subprotocol=choose),
        serve_websockets(converse, ADDRESS, int(tls), select_subprotocol=choose, ssl=context),
    ):
        await asyncio.Event().wait()


def main(certificate_file: str, plain: str, tls: str) -> None:
    asyncio.run(serve(certificate_file, plain, tls))
