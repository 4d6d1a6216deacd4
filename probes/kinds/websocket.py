"""The prober for WebSockets."""

import asyncio
from contextlib import closing
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Phase, Trace
from probes.unmet import Unmet, counted
from probes.wire.expecting import Expected, note_received
from probes.wire.http_auth import authorized, standing_authorization
from probes.wire.http_requests import USER_AGENT, complete_headers, make_request
from probes.wire.http_transport import Call
from probes.wire.routes import Route
from probes.wire.web_sockets import CONNECTION, Message, WebSocket, open_web_socket, opening_headers, opening_url
from tocsin.domain.observations import Reason
from tocsin.domain.targets.exchanges import Encoding, Expectation, to_bytes
from tocsin.domain.targets.websocket import WebSocketStep, WebSocketTarget

_USER_AGENT: Final = (b"User-Agent", USER_AGENT.encode("ascii"))


async def probe_websocket(target: WebSocketTarget, engine: Engine, trace: Trace) -> None:
    """Return if it opens and converses as expected. Raises ProbeFailure if it does not."""
    call = await authorized(_opening(target), target.auth, target, engine, trace)
    with closing(await open_web_socket(call, target.auth, target.subprotocols, engine, trace)) as web_socket:
        trace.enter(Phase.PROCESSING)
        for number, step in enumerate(target.steps, 1):
            await _converse(web_socket, step, f"step {number}: ", trace)


def _opening(target: WebSocketTarget) -> Call:
    others = [_USER_AGENT, *standing_authorization(target.auth), *opening_headers(target.subprotocols)]
    headers = complete_headers(target.headers, others, CONNECTION)
    return Call.of(make_request("GET", opening_url(target.url), headers), Route(target.tls, target.ip_family))


async def _converse(web_socket: WebSocket, step: WebSocketStep, place: str, trace: Trace) -> None:
    if step.send is not None:
        web_socket.send(_message(step.send, step.send_as))
    if step.expect is not None:
        await _await_message(web_socket, step.expect, step.expect_as, place, trace)


def _message(written: str, written_as: Encoding) -> Message:
    content = to_bytes(written, written_as)
    return content if written_as is Encoding.HEX else content.decode("utf-8", "replace")


async def _await_message(
    web_socket: WebSocket, written: str, written_as: Expectation, place: str, trace: Trace
) -> None:
    """Others may come before the one that is expected."""
    expected = Expected.of(written, written_as)
    came, content = 0, b""
    try:
        while (message := await web_socket.receive()) is not None:
            content = message.encode() if isinstance(message, str) else message
            came += 1
            note_received(content, trace)
            if expected.end_in(content) is not None:
                return
    except asyncio.CancelledError:
        trace.unmet = Unmet(written, content, place, counted(came, "message"))
        raise
    raise ProbeFailure(
        Reason.ASSERTION,
        f"the server closed the WebSocket with code {web_socket.close_code} before what is expected came",
    )
