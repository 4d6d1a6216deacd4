"""The prober for gRPC services, by the health protocol of gRPC (grpc.health.v1) over HTTP/2."""

from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.grpc.messages import ServingStatus, StatusCode, framed_request, read_serving_status
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.http2 import Http2Exchange
from probes.wire.http_messages import HeaderLines, RawHeaders
from probes.wire.http_requests import USER_AGENT
from probes.wire.routes import HTTP_2, Route, connect, require_http2
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.grpc import GrpcTarget

_PATH: Final = b"/grpc.health.v1.Health/Check"
_MAX_MESSAGE_BYTES: Final = 4096


async def probe_grpc(target: GrpcTarget, engine: Engine, trace: Trace) -> None:
    """Return if the service is SERVING. Raises ProbeFailure if it is not."""
    route = Route(target.tls, target.ip_family, HTTP_2)
    connection = await connect(target.host, target.port, route, engine, trace, secure=target.tls is not None)
    try:
        require_http2(connection)
        trace.enter(Phase.PROCESSING)
        await _check(connection, target, trace)
    finally:
        connection.abort()


async def _check(connection: ByteStream, target: GrpcTarget, trace: Trace) -> None:
    call = Http2Exchange(connection)
    await call.send(_headers(target), framed_request(target.service))
    await call.read_head()
    trace.enter(Phase.TRANSFER)
    trace.facts[Source.HEADER] = HeaderLines(call.headers)
    _require_grpc(call)
    content = await _read(call)
    trace.facts[Source.HEADER] = HeaderLines([*call.headers, *call.trailers])
    _judge_call(dict([*call.headers, *call.trailers]), target, trace)
    status = read_serving_status(content)
    trace.facts[Source.STATUS] = status
    if status != ServingStatus.SERVING.name:
        raise ProbeFailure(Reason.STATUS, f"{_named(target)} is {status}")


def _headers(target: GrpcTarget) -> RawHeaders:
    host = f"[{target.host}]" if ":" in target.host else target.host
    authority = target.authority or f"{host}:{target.port}"
    return [
        (b":method", b"POST"),
        (b":scheme", b"http" if target.tls is None else b"https"),
        (b":authority", authority.encode("idna" if not authority.isascii() else "ascii")),
        (b":path", _PATH),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"user-agent", USER_AGENT.encode("ascii")),
        *((each.name.encode("ascii"), each.value.encode("ascii")) for each in target.metadata),
    ]


def _require_grpc(call: Http2Exchange) -> None:
    if call.status_code != 200:
        raise ProbeFailure(Reason.PROTOCOL, f"the server does not answer gRPC, but with status {call.status_code}")
    if not dict(call.headers).get(b"content-type", b"").startswith(b"application/grpc"):
        raise ProbeFailure(Reason.PROTOCOL, "the server does not answer gRPC: the response is of another type")


async def _read(call: Http2Exchange) -> bytes:
    """All that comes, which is little."""
    content = b""
    while part := await call.read_some():
        content += part
        if len(content) > _MAX_MESSAGE_BYTES:
            raise ProbeFailure(Reason.BODY_LIMIT, f"the response exceeds {_MAX_MESSAGE_BYTES // 1024} KiB")
    return content


def _judge_call(answer: dict[bytes, bytes], target: GrpcTarget, trace: Trace) -> None:
    """Raise ProbeFailure unless the call was answered. The trailers may stand among the headers."""
    code = _code(answer)
    if code is StatusCode.OK:
        return
    trace.facts[Source.STATUS] = code.name
    if code is StatusCode.NOT_FOUND:
        raise ProbeFailure(Reason.STATUS, f"{_named(target)} is unknown to the server: NOT_FOUND")
    if code is StatusCode.UNIMPLEMENTED:
        raise ProbeFailure(Reason.STATUS, "the server does not know the health protocol: UNIMPLEMENTED")
    refused = code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED)
    raise ProbeFailure(Reason.AUTHENTICATION if refused else Reason.STATUS, f"the call ended with {code.name}")


def _code(answer: dict[bytes, bytes]) -> StatusCode:
    try:
        return StatusCode(int(answer[b"grpc-status"]))
    except KeyError as exc:
        raise ProbeFailure(Reason.PROTOCOL, "the response has no grpc-status") from exc
    except ValueError:
        # As gRPC says of codes that are not known.
        return StatusCode.UNKNOWN


def _named(target: GrpcTarget) -> str:
    return f"the service {target.service}" if target.service else "the server"
