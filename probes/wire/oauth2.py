"""Tokens of OAuth 2.0 for clients that speak for themselves (RFC 6749, section 4.4)."""

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from probes.deadline import Deadline
from probes.engine import Engine
from probes.failures import ProbeFailure, TargetBlockedError
from probes.keeping import Kept
from probes.trace import Trace
from probes.wire.http_content import Content
from probes.wire.http_requests import FORM, JSON, complete_headers, make_request
from probes.wire.http_transport import Call, exchange
from probes.wire.redirects import may_see_credentials
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http_auth import OAuth2Auth

_MAX_ANSWER_BYTES: Final = 16 * 1024
_ERROR: Final = re.compile(r"[a-z_]{1,40}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
# Tokens are no longer used so shortly before they expire, and never kept for longer than this.
_MARGIN_SECONDS: Final = 10.0
_LONGEST_SECONDS: Final = 3600.0
_ENDS_BEFORE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class _Token:
    text: bytes
    lasts_until: float  # on the monotonic clock


_kept: Final = Kept[_Token]()


async def fetch_token(auth: OAuth2Auth, holder: object, call: Call, engine: Engine, trace: Trace) -> bytes:
    """A token for the call. It is kept with the holder until it expires, unless it was asked for with a secret.

    Raises ProbeFailure with AUTHENTICATION, or TIMEOUT, that says what the token endpoint did.
    """
    kept = _kept.get(holder)
    if kept is not None and kept.lasts_until > monotonic():
        return kept.text
    token = await _asked_for(auth, call, engine, trace)
    if not trace.secrets and token.lasts_until > monotonic():
        _kept.keep(holder, token)
    return token.text


async def _asked_for(auth: OAuth2Auth, call: Call, engine: Engine, trace: Trace) -> _Token:
    """What is seen of the token endpoint is no part of what is seen of the target, so it has a trace of its own."""
    aside = Trace(trace.timeout, trace.secrets)
    try:
        with Deadline(max(trace.remaining_seconds - _ENDS_BEFORE_SECONDS, 0.0)):
            return await _ask(auth, call, engine, aside)
    except TargetBlockedError as blocked:
        raise TargetBlockedError(f"the token endpoint: {blocked.message}") from blocked
    except ProbeFailure as failure:
        raise ProbeFailure(Reason.AUTHENTICATION, f"no token from the token endpoint: {failure.message}") from failure
    except TimeoutError as exc:
        raise ProbeFailure(Reason.TIMEOUT, "timed out while waiting for the token endpoint") from exc


async def _ask(auth: OAuth2Auth, call: Call, engine: Engine, aside: Trace) -> _Token:
    reply = await exchange(_token_call(auth, call), engine, aside)
    try:
        content = Content(reply, _MAX_ANSWER_BYTES)
        answer = _object(await content.read())
    finally:
        reply.body.close()
    if reply.status_code != 200:
        raise ProbeFailure(Reason.AUTHENTICATION, f"it answered {reply.status_code}{_named(answer.get('error'))}")
    return _token(answer)


def _token_call(auth: OAuth2Auth, call: Call) -> Call:
    pair = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}".encode()
    asked = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
    others = [(b"Accept", JSON), (b"Content-Type", FORM), (b"Authorization", b"Basic " + b64encode(pair))]
    request = make_request("POST", auth.token_url, complete_headers((), others), urlencode(asked).encode())
    at_home = may_see_credentials(call.request.url, request.url)
    return Call.of(request, call.route if at_home else call.route.to_another_origin())


def _object(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _named(error: object) -> str:
    """The error by its code; what else an answer holds may be anything."""
    return f" ({error})" if isinstance(error, str) and _ERROR.fullmatch(error) else ""


def _token(answer: dict[str, Any]) -> _Token:
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ProbeFailure(Reason.AUTHENTICATION, "its answer holds no access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProbeFailure(Reason.AUTHENTICATION, "its answer holds a token of another type than Bearer")
    return _Token(token.encode("ascii"), monotonic() + _lifetime_seconds(answer.get("expires_in")))


def _lifetime_seconds(expires_in: object) -> float:
    """How long a token may be used; one that does not say so is used once."""
    seconds = expires_in if isinstance(expires_in, int | float) else 0.0
    return min(max(seconds - _MARGIN_SECONDS, 0.0), _LONGEST_SECONDS)
