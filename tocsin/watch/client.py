"""graphql-transport-ws, as a client speaks it.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from tocsin.watch.address import API_PATH, Address
from tocsin.watch.errors import TOKEN_REMEDY, ApiAwayError, CursorExpiredError, WatchError, WrongAddressError
from tocsin.watch.wire import SUBSCRIPTIONS, Json

PROTOCOL: Final = Subprotocol("graphql-transport-ws")
_OPEN_SECONDS: Final = 10.0
# A connection that died in silence is noticed after both.
_PING_SECONDS: Final = 5.0
_PONG_SECONDS: Final = 10.0
_MAXIMUM_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_NOT_TOCSIN: Final = "what answers there is not Tocsin's API; check --url"
_REFUSED_TOKEN: Final = frozenset({4401, 4403})
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_TEMPORARY: Final = frozenset({"UNAVAILABLE", "INTERNAL_ERROR", "RATE_LIMITED"})

# What goes wrong is raised; a log would be written across the screen.
_logger = logging.getLogger(__name__)
_logger.addHandler(logging.NullHandler())
_logger.propagate = False


class Session:
    """A connection whose token was accepted. `cursor` is the place after all that had happened by then."""

    def __init__(self, socket: ClientConnection, cursor: str) -> None:
        self.cursor = cursor
        self._socket = socket

    async def begin(self, operation: str, query: str, variables: Mapping[str, Any]) -> None:
        """Send a query or a subscription under an id of the caller's choice."""
        payload = {"query": query, "variables": variables}
        await _send(self._socket, {"type": "subscribe", "id": operation, "payload": payload})

    async def receive(self, deadline: float) -> tuple[str, Json] | None:
        """The next data, with the id of its operation; None when the loop's clock reaches the deadline before.

        Raises CursorExpiredError, and WatchError for what the API refuses.
        """
        try:
            async with asyncio.timeout_at(deadline):
                while (data := _data(await _receive(self._socket))) is None:
                    pass
        except TimeoutError:
            return None
        return data


@asynccontextmanager
async def open_session(address: Address, token: str) -> AsyncIterator[Session]:
    """Connect. Raises WatchError when the token is refused, and ApiAwayError then and whenever the connection fails."""
    try:
        async with _connect(address) as socket:
            yield Session(socket, await _enter(socket, token))
    except ConnectionClosed as exc:
        raise _closed(exc, address) from exc
    # A host that is no name is found out by the resolver.
    except (OSError, UnicodeError, WebSocketException) as exc:
        raise _failed(exc, address) from exc
    except json.JSONDecodeError as exc:
        raise WatchError(_NOT_TOCSIN) from exc
    except ImportError as exc:  # of what websockets needs for a proxy of this kind
        raise WatchError(f"{exc}; unset the proxy in the environment, or install it") from exc


def _connect(address: Address) -> connect:
    return connect(
        address.websocket_url,
        subprotocols=[PROTOCOL],
        compression=None,
        # No proxy leads to this machine.
        proxy=None if address.is_local else True,
        open_timeout=_OPEN_SECONDS,
        ping_interval=_PING_SECONDS,
        ping_timeout=_PONG_SECONDS,
        close_timeout=1,
        max_size=_MAXIMUM_MESSAGE_BYTES,
        logger=_logger,
    )


async def _enter(socket: ClientConnection, token: str) -> str:
    await _send(socket, {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
    async with asyncio.timeout(_OPEN_SECONDS):
        acknowledgement = await _receive(socket)
    match acknowledgement:
        case {"type": "connection_ack", "payload": {"cursor": str(cursor)}}:
            return cursor
    raise WatchError(_NOT_TOCSIN)


async def _send(socket: ClientConnection, message: Json) -> None:
    await socket.send(json.dumps(message))


async def _receive(socket: ClientConnection) -> Any:  # noqa: ANN401 - whatever the server says
    message = json.loads(await socket.recv())
    if isinstance(message, dict) and message.get("type") == "ping":
        await _send(socket, {"type": "pong"})
    return message


def _data(message: Any) -> tuple[str, Json] | None:  # noqa: ANN401 - the same
    match message:
        case {"type": "next", "payload": {"errors": [error, *_]}} | {"type": "error", "payload": [error, *_]}:
            raise _refusal(error)
        case {"type": "next", "id": str(operation), "payload": {"data": dict(data)}}:
            return operation, data
        case {"type": "complete", "id": str(operation)} if operation in SUBSCRIPTIONS:
            raise ApiAwayError("it ended the subscription")
    return None


def _refusal(error: Json) -> Exception:
    message, code = str(error.get("message")), error.get("extensions", {}).get("code")
    if code == "CURSOR_EXPIRED":
        return CursorExpiredError(message)
    if code in _TEMPORARY:
        return ApiAwayError(message)
    return WatchError(f"the API refuses what this program asks ({message}); run the same version of both")


def _closed(exc: ConnectionClosed, address: Address) -> Exception:
    if exc.rcvd is None:
        return ApiAwayError("the connection was cut")
    if exc.rcvd.code in _REFUSED_TOKEN:
        return WatchError(f"{address.url} refuses the token; {TOKEN_REMEDY}")
    return ApiAwayError(exc.rcvd.reason or f"it closed the connection with code {exc.rcvd.code}")


def _failed(exc: Exception, address: Address) -> ApiAwayError:
    if isinstance(exc, InvalidStatus) and _is_final(exc.response.status_code):
        refusal = f"{address.url} answers with HTTP status {exc.response.status_code}"
        return WrongAddressError(f"{refusal}; Tocsin's API has the path {API_PATH}, as in --url {address.usual_url}")
    return ApiAwayError(_reason(exc))


def _is_final(status: int) -> bool:
    """Whether the same will be answered again; the token is no part of it, as it is sent later."""
    return status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "it does not answer"
    # Of several addresses, asyncio joins the words alone.
    if f"[Errno {errno.ECONNREFUSED}]" in str(exc):
        return "nothing listens there"
    if isinstance(exc, InvalidStatus):
        return f"it answers with HTTP status {exc.response.status_code}"
    return str(exc) or type(exc).__name__
