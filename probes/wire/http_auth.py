"""Credentials in requests."""

from base64 import b64encode
from typing import Final

import httpx

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.trace import Trace
from probes.wire.http_requests import with_header
from probes.wire.http_transport import Call, Reply, exchange
from probes.wire.oauth2 import fetch_token
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http_auth import DigestAuth, HttpAuth

_AUTHORIZATION: Final = b"Authorization"
_UNAUTHORIZED: Final = 401
# httpx reads a challenge character by character.
_MAX_CHALLENGE_BYTES: Final = 4096


def standing_authorization(auth: HttpAuth | None) -> list[tuple[bytes, bytes]]:
    """The header of credentials that are the same in every request."""
    if auth is not None and auth.basic is not None:
        pair = f"{auth.basic.username}:{auth.basic.password}".encode()
        return [(_AUTHORIZATION, b"Basic " + b64encode(pair))]
    if auth is not None and auth.bearer is not None:
        return [(_AUTHORIZATION, b"Bearer " + auth.bearer.token.encode("ascii"))]
    return []


async def authorized(call: Call, auth: HttpAuth | None, holder: object, engine: Engine, trace: Trace) -> Call:
    """The call with a token, if it needs one. Raises ProbeFailure with AUTHENTICATION if none is given.

    A token is kept for as long as `holder` and until it expires; but never where secrets were filled in.
    """
    if auth is None or auth.oauth2 is None:
        return call
    token = await fetch_token(auth.oauth2, holder, call, engine, trace)
    trace.learned = token.decode("ascii")
    return Call.of(with_header(call.request, _AUTHORIZATION, b"Bearer " + token), call.route)


async def exchange_as(auth: HttpAuth | None, call: Call, engine: Engine, trace: Trace) -> Reply:
    """`exchange`, in which a challenge is answered where the credentials are for that."""
    if auth is None or auth.digest is None:
        return await exchange(call, engine, trace)
    reply = await exchange(call, engine, trace)
    try:
        answer = _answer(auth.digest, reply)
    except BaseException:
        reply.body.close()
        raise
    if answer is None:
        return reply
    reply.body.close()
    return await exchange(Call.of(answer, call.route), engine, trace)


def require_welcome(status_code: int, auth: HttpAuth | None) -> None:
    """Raise ProbeFailure with AUTHENTICATION where credentials were given and refused."""
    if auth is not None and status_code == _UNAUTHORIZED:
        raise ProbeFailure(Reason.AUTHENTICATION, "the server refused the credentials: it answered 401")


def _answer(auth: DigestAuth, reply: Reply) -> httpx.Request | None:
    """The request again with the answer to the server's challenge, or None if there was none."""
    response = reply.response
    if len(response.headers.get("www-authenticate", "")) > _MAX_CHALLENGE_BYTES:
        raise ProbeFailure(Reason.PROTOCOL, "the server's challenge is too long")
    asked = reply.request
    again = httpx.Request(asked.method, asked.url, headers=asked.headers, content=asked.content or None)
    flow = httpx.DigestAuth(auth.username, auth.password).sync_auth_flow(again)
    next(flow)
    try:
        return flow.send(response)
    except StopIteration:
        return None
    except (httpx.ProtocolError, LookupError, ValueError) as exc:
        raise ProbeFailure(Reason.PROTOCOL, "the server's digest challenge cannot be answered") from exc
