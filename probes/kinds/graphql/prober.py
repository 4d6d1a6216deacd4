"""The prober for GraphQL APIs: an operation over HTTP, or a subscription over a WebSocket."""

import json
from typing import Any, Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.keeping import Kept
from probes.kinds.graphql.responses import judge_response, read_object
from probes.kinds.graphql.subscribing import SUBPROTOCOL, await_delivery
from probes.trace import Trace
from probes.wire.http_auth import authorized, exchange_as, require_welcome, standing_authorization
from probes.wire.http_content import Content
from probes.wire.http_messages import HeaderLines, RawHeaders
from probes.wire.http_requests import JSON, USER_AGENT, complete_headers, make_request
from probes.wire.http_transport import Call, Reply
from probes.wire.routes import HTTP_2, USUAL_ROUTE, Route
from probes.wire.web_sockets import CONNECTION, opening_headers
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.graphql import GraphqlTarget
from tocsin.domain.targets.http import HttpVersion

# Parsing as much takes a few milliseconds at worst.
MAX_RESPONSE_BYTES: Final = 256 * 1024
_calls: Final = Kept[Call]()
_MAX_KEPT_BYTES: Final = 2048
_ACCEPT: Final = b"application/graphql-response+json, application/json;q=0.9"


async def probe_graphql(target: GraphqlTarget, engine: Engine, trace: Trace) -> None:
    """Return if the operation has no errors and the data expected. Raises ProbeFailure if not."""
    if target.subscription is not None:
        call = await authorized(_opening(target), target.auth, target, engine, trace)
        response = await await_delivery(call, target, target.subscription, _operation(target), engine, trace)
    else:
        request = _request(target) if trace.secrets else _kept_request(target)
        call = await authorized(request, target.auth, target, engine, trace)
        response = await _ask(call, target, engine, trace)
    trace.facts[Source.JSON] = response
    judge_response(response, target)


async def _ask(call: Call, target: GraphqlTarget, engine: Engine, trace: Trace) -> dict[str, Any]:
    reply = await exchange_as(target.auth, call, engine, trace)
    try:
        return await _read(reply, target, trace)
    finally:
        reply.body.close()


async def _read(reply: Reply, target: GraphqlTarget, trace: Trace) -> dict[str, Any]:
    """The response, which may come with any status: one with errors has other statuses than 200 as well."""
    trace.facts[Source.STATUS] = reply.status_code
    trace.facts[Source.HEADER] = HeaderLines(reply.headers)
    content = Content(reply, MAX_RESPONSE_BYTES)
    body = await content.read()
    trace.facts[Source.SIZE] = content.raw_bytes
    trace.facts[Source.BODY] = content.text(body)
    require_welcome(reply.status_code, target.auth)
    if content.exceeded:
        raise ProbeFailure(Reason.BODY_LIMIT, f"the response exceeds {MAX_RESPONSE_BYTES // 1024} KiB")
    response = read_object(body)
    if response is not None and ("errors" in response or 200 <= reply.status_code < 300):
        return response
    if not 200 <= reply.status_code < 300:
        raise ProbeFailure(Reason.STATUS, f"expected 200-299, got {reply.status_code}")
    raise ProbeFailure(Reason.PROTOCOL, "the response is no GraphQL response, which is a JSON object")


def _operation(target: GraphqlTarget) -> dict[str, Any]:
    operation: dict[str, Any] = {"query": target.query}
    if target.variables is not None:
        operation["variables"] = json.loads(target.variables)
    if target.operation_name is not None:
        operation["operationName"] = target.operation_name
    return operation


def _kept_request(target: GraphqlTarget) -> Call:
    """Made once for as long as the target is kept, as making it costs as much as sending it."""
    call = _calls.get(target)
    if call is None:
        call = _request(target)
        if len(call.wire) <= _MAX_KEPT_BYTES:
            _calls.keep(target, call)
    return call


def _request(target: GraphqlTarget) -> Call:
    others = [*_own_headers(target), (b"Accept", _ACCEPT), (b"Accept-Encoding", b"identity"), (b"Content-Type", JSON)]
    content = json.dumps(_operation(target)).encode()
    request = make_request("POST", target.url, complete_headers(target.headers, others), content)
    alpn = HTTP_2 if target.http_version is HttpVersion.HTTP_2 else USUAL_ROUTE.alpn
    return Call.of(request, Route(target.tls, target.ip_family, alpn))


def _opening(target: GraphqlTarget) -> Call:
    others = [*_own_headers(target), *opening_headers((SUBPROTOCOL,))]
    request = make_request("GET", target.url, complete_headers(target.headers, others, CONNECTION))
    return Call.of(request, Route(target.tls, target.ip_family))


def _own_headers(target: GraphqlTarget) -> RawHeaders:
    return [(b"User-Agent", USER_AGENT.encode("ascii")), *standing_authorization(target.auth)]
