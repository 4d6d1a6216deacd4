"""gRPC probes of grpcio's health server, and of servers that are none."""

from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.grpc.messages import framed_request, read_serving_status
from probes.kinds.grpc.prober import probe_grpc
from probes.runner import probe
from probes.trace import Trace
from tests.probes.certificates import Authority
from tests.probes.examples import example_target
from tests.probes.serving import Serve
from tests.servers.etcd import Etcd
from tests.servers.grpc_health import TOKEN, GrpcHealth
from tests.servers.nginx import Nginx
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.grpc import GrpcTarget


async def observed(engine: Engine, port: int, **fields: Any) -> Observation:
    return await probe(GrpcTarget(host="127.0.0.1", port=port, **fields), timedelta(seconds=10), engine)


@pytest.mark.proves("grpc", "a real server")
@pytest.mark.proves("grpc", "TLS")
async def test_the_example_that_passes_is_serving(grpc_health: GrpcHealth, engine: Engine) -> None:
    replaced = {"host": "localhost", "port": grpc_health.ports["tls"], "tls": {"ca": grpc_health.credentials.ca}}
    target = example_target("grpc-pass", "grpc", **replaced, metadata=[{"name": "authorization", "value": "x"}])
    observation = await probe(target, timedelta(seconds=10), engine)
    assert (observation.outcome, observation.message, observation.tls_verified) == (Outcome.SUCCESS, None, True)


@pytest.mark.proves("grpc", "not serving")
async def test_the_example_that_fails_is_not_serving(grpc_health: GrpcHealth, engine: Engine) -> None:
    target = example_target("grpc-fail", "grpc", host="127.0.0.1", port=grpc_health.ports["plain"])
    observation = await probe(target, timedelta(seconds=10), engine)
    assert (observation.reason, observation.message) == (Reason.STATUS, "the service shop.Broken is NOT_SERVING")


@pytest.mark.proves("grpc", "named service")
@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("", None),
        ("shop.Orders", None),
        ("shop.Unknown", "the service shop.Unknown is unknown to the server: NOT_FOUND"),
    ],
)
async def test_services_are_told_apart(
    grpc_health: GrpcHealth, engine: Engine, service: str, message: str | None
) -> None:
    observation = await observed(engine, grpc_health.ports["plain"], service=service)
    assert (observation.reason, observation.message) == (Reason.STATUS if message else None, message)


@pytest.mark.proves("grpc", "metadata")
async def test_metadata_opens_what_wants_a_token(grpc_health: GrpcHealth, engine: Engine) -> None:
    port = grpc_health.ports["token"]
    with_token = await observed(engine, port, metadata=[{"name": "authorization", "value": f"Bearer {TOKEN}"}])
    without = await observed(engine, port)
    assert (with_token.outcome, without.reason) == (Outcome.SUCCESS, Reason.AUTHENTICATION)
    assert without.message == "the call ended with UNAUTHENTICATED"


@pytest.mark.proves("grpc", "a real server")
async def test_the_health_service_of_go_is_understood(etcd: Etcd, engine: Engine) -> None:
    serving = await observed(engine, etcd.ports["plain"])
    unknown = await observed(engine, etcd.ports["plain"], service="shop.Orders")
    assert (serving.message, unknown.message) == (
        None,
        "the service shop.Orders is unknown to the server: NOT_FOUND",
    )


async def test_the_status_is_noted(grpc_health: GrpcHealth, engine: Engine) -> None:
    trace = Trace(timedelta(seconds=10))
    await probe_grpc(GrpcTarget(host="127.0.0.1", port=grpc_health.ports["plain"]), engine, trace)
    assert (trace.facts[Source.STATUS], ("grpc-status", "0") in trace.facts[Source.HEADER]) == ("SERVING", True)


async def test_a_web_server_does_not_answer_grpc(nginx: Nginx, engine: Engine) -> None:
    secured = await observed(engine, nginx.ports["tls"], tls={"ca": nginx.credentials.ca})
    assert (secured.reason, secured.message) == (
        Reason.PROTOCOL,
        "the server does not answer gRPC, but with status 404",
    )
    plain = await observed(engine, nginx.ports["plain"])
    message = "the server sent something else than HTTP/2, or a frame that is too long"
    assert (plain.reason, plain.message) == (Reason.PROTOCOL, message)


async def test_a_server_without_http2_is_told_in_the_handshake(serve: Serve, engine: Engine, tmp_path: Path) -> None:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read()

    observation = await observed(
        engine, await serve(talk, Authority(tmp_path).server_context()), tls={"skip_verification": True}
    )
    assert (observation.reason, "does not speak HTTP/2" in (observation.message or "")) == (Reason.PROTOCOL, True)


def test_a_request_names_its_service() -> None:
    assert framed_request("") == bytes(5)
    assert framed_request("a" * 200) == b"\0\0\0\0\xcb\x0a\xc8\x01" + b"a" * 200


@pytest.mark.parametrize(
    ("message", "status"),
    [(b"", "UNKNOWN"), (b"\x08\x01", "SERVING"), (b"\x12\x01x\x08\x02", "NOT_SERVING"), (b"\x08\x09", "status 9")],
)
def test_a_status_is_read(message: bytes, status: str) -> None:
    assert read_serving_status(b"\0" + len(message).to_bytes(4) + message) == status


@pytest.mark.parametrize("content", [b"", b"\1\0\0\0\0", b"\0\0\0\0\1", b"\0\0\0\0\1\x0b", b"\0\0\0\0\2\x12\x05"])
def test_nonsense_is_no_status(content: bytes) -> None:
    with pytest.raises(ProbeFailure) as failure:
        read_serving_status(content)
    assert failure.value.reason is Reason.PROTOCOL


@given(st.binary(max_size=64))
def test_any_bytes_are_a_status_or_nonsense(message: bytes) -> None:
    with suppress(ProbeFailure):
        assert read_serving_status(b"\0" + len(message).to_bytes(4) + message)
