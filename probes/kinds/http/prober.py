"""The prober for HTTP and HTTPS targets."""

from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.keeping import Kept
from probes.kinds.http.judging import judge
from probes.trace import Trace
from probes.wire.http_auth import authorized, exchange_as, standing_authorization
from probes.wire.http_messages import RawHeaders
from probes.wire.http_requests import (
    FORM,
    JSON,
    USER_AGENT,
    complete_headers,
    encode_parameters,
    make_request,
    with_query,
)
from probes.wire.http_transport import Call, exchange
from probes.wire.redirects import MAX_REDIRECTS, REDIRECTS, may_see_credentials, place_of, redirected
from probes.wire.routes import HTTP_2, USUAL_ROUTE, Route
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http import HttpTarget, HttpVersion

# Each is kept for as long as its target is, and a worker keeps the targets of the checks that it probes.
_calls: Final = Kept[Call]()
_MAX_KEPT_BYTES: Final = 2048


async def probe_http(target: HttpTarget, engine: Engine, trace: Trace) -> None:
    """Return if the response, the last one of redirects, is as expected. Raises ProbeFailure if it is not."""
    call = _make_call(target) if trace.secrets else make_call(target)
    auth = target.auth
    if auth is not None:
        call = await authorized(call, auth, target, engine, trace)
    for _ in range(MAX_REDIRECTS + 1):
        # Without credentials, which most are, without the layer that looks at them.
        reply = await (exchange(call, engine, trace) if auth is None else exchange_as(auth, call, engine, trace))
        try:
            may_redirect = target.follow_redirects and reply.status_code in REDIRECTS
            following = redirected(call.request, reply.response, trace.secrets) if may_redirect else None
            if following is None:
                return await judge(reply, target, trace)
        finally:
            reply.body.close()
        at_home = may_see_credentials(call.request.url, following.url)
        auth = auth if at_home else None
        call = Call.of(following, call.route if at_home else call.route.to_another_origin())
    raise ProbeFailure(
        Reason.TOO_MANY_REDIRECTS, f"more than {MAX_REDIRECTS} redirects, the last one to {place_of(call.request.url)}"
    )


def make_call(target: HttpTarget) -> Call:
    """The request of a target; making it costs as much as sending it, so it is kept with the target.

    Raises ProbeFailure for a host that names no place.
    """
    call = _calls.get(target)
    if call is None:
        call = _make_call(target)
        if len(call.wire) <= _MAX_KEPT_BYTES:
            _calls.keep(target, call)
    return call


def _make_call(target: HttpTarget) -> Call:
    content_type, content = _content(target)
    headers = complete_headers(target.headers, [*_defaults(target), *content_type])
    return Call.of(make_request(target.method, with_query(target.url, target.query), headers, content), _route(target))


def _defaults(target: HttpTarget) -> RawHeaders:
    # Compressed bodies cost CPU and hide their size, so none is asked for.
    encodings = b"gzip, deflate" if target.accept_compression else b"identity"
    return [
        (b"User-Agent", (target.user_agent or USER_AGENT).encode("ascii")),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", encodings),
        *standing_authorization(target.auth),
    ]


def _content(target: HttpTarget) -> tuple[RawHeaders, bytes | None]:
    """What is sent, with its type where it has one."""
    if target.json_body is not None:
        return [(b"Content-Type", JSON)], target.json_body.encode()
    if target.form:
        return [(b"Content-Type", FORM)], encode_parameters(target.form, plus=True).encode()
    return [], None if target.body is None else target.body.encode()


def _route(target: HttpTarget) -> Route:
    alpn = HTTP_2 if target.http_version is HttpVersion.HTTP_2 else USUAL_ROUTE.alpn
    return Route(target.tls, target.ip_family, alpn, target.use_proxy)
