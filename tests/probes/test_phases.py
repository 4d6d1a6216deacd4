"""Phases and reasons against the truth: a server that takes known times, and fails at a known place."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.runner import probe
from probes.wire.tls_contexts import TlsContexts
from tests.probes.certificates import NOW, Authority
from tests.probes.serving import Serve, read_request
from tocsin.domain.observations import Observation, Reason
from tocsin.domain.targets.http import HttpTarget

RESOLVE, TLS, PROCESSING, TRANSFER = (timedelta(milliseconds=each) for each in (150, 250, 350, 450))
TOLERANCE = timedelta(milliseconds=140)  # of a machine that does other things as well
EXPIRES_AT = NOW + timedelta(days=17)


class SlowResolver:
    """Knows one name after a while, or fails."""

    def __init__(self, failure: ProbeFailure | None = None) -> None:
        self._failure = failure

    async def resolve(self, host: str) -> Sequence[str]:
        await asyncio.sleep(RESOLVE.total_seconds())
        if self._failure is not None:
            raise self._failure
        return ["127.0.0.1"] if host == "localhost" else []

    def nameservers(self) -> Sequence[tuple[str, int]]:
        return []


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def slow_engine(engine: Engine, authority: Authority) -> Engine:
    return replace(engine, resolver=SlowResolver(), tls_contexts=TlsContexts(authority.ca_file))


async def answer(reader: StreamReader, writer: StreamWriter) -> None:
    """In time, head and body apart."""
    await read_request(reader)
    await asyncio.sleep(PROCESSING.total_seconds())
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    await writer.drain()
    await asyncio.sleep(TRANSFER.total_seconds())
    writer.write(b"llo")


async def delayed(serve: Serve, port: int) -> int:
    """The port of a relay that passes on what clients say first only after a while, as TLS that is slow would."""

    async def relay(reader: StreamReader, writer: StreamWriter) -> None:
        first = await reader.read(65_536)
        await asyncio.sleep(TLS.total_seconds())
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        before.write(first)
        onward = asyncio.create_task(pass_on(reader, before))
        try:
            await pass_on(behind, writer)
        finally:
            onward.cancel()
            before.close()

    return await serve(relay)


async def pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


def is_about(phase: timedelta | None, expected: timedelta) -> bool:
    return phase is not None and expected - timedelta(milliseconds=5) <= phase <= expected + TOLERANCE


async def observed(engine: Engine, url: str, seconds: float = 10) -> Observation:
    return await probe(HttpTarget(url=url), timedelta(seconds=seconds), engine)


async def test_each_phase_takes_as_long_as_the_server_lets_it(
    serve: Serve, slow_engine: Engine, authority: Authority
) -> None:
    context = authority.server_context(expires_at=EXPIRES_AT)
    port = await delayed(serve, await serve(answer, context))
    observation = await observed(slow_engine, f"https://localhost:{port}/")
    phases = observation.phases
    assert observation.message is None
    assert is_about(phases.resolve, RESOLVE)
    assert is_about(phases.connect, timedelta(0))
    assert is_about(phases.tls, TLS)
    assert is_about(phases.processing, PROCESSING)
    assert is_about(phases.transfer, TRANSFER)
    assert observation.certificate_expires_at == EXPIRES_AT


async def test_the_phases_of_plain_http_are_told_without_tls(serve: Serve, slow_engine: Engine) -> None:
    observation = await observed(slow_engine, f"http://localhost:{await serve(answer)}/")
    phases = observation.phases
    assert (observation.message, phases.tls) == (None, None)
    assert is_about(phases.resolve, RESOLVE)
    assert is_about(phases.processing, PROCESSING)
    assert is_about(phases.transfer, TRANSFER)


async def hang_up(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(1)


async def say_nonsense(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"nonsense\r\n\r\n")


async def stop_in_the_body(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")


def reached(observation: Observation) -> list[str]:
    phases = observation.phases
    return [name for name in ("resolve", "connect", "tls", "processing", "transfer") if getattr(phases, name)]


async def test_a_failure_of_the_name_is_told_at_its_phase(engine: Engine) -> None:
    failing = replace(engine, resolver=SlowResolver(ProbeFailure(Reason.DNS, "no such name")))
    observation = await observed(failing, "http://localhost/")
    assert (observation.reason, reached(observation)) == (Reason.DNS, ["resolve"])


async def test_a_failure_to_connect_is_told_at_its_phase(slow_engine: Engine, unused_port: int) -> None:
    observation = await observed(slow_engine, f"http://localhost:{unused_port}/")
    assert (observation.reason, reached(observation)) == (Reason.CONNECT, ["resolve", "connect"])


async def test_a_failure_of_tls_is_told_at_its_phase(serve: Serve, slow_engine: Engine) -> None:
    observation = await observed(slow_engine, f"https://localhost:{await serve(hang_up)}/")
    assert (observation.reason, reached(observation)) == (Reason.TLS, ["resolve", "connect", "tls"])


async def test_a_failure_of_the_response_is_told_at_its_phase(
    serve: Serve, slow_engine: Engine, authority: Authority
) -> None:
    port = await serve(say_nonsense, authority.server_context())
    observation = await observed(slow_engine, f"https://localhost:{port}/")
    assert (observation.reason, reached(observation)) == (
        Reason.PROTOCOL,
        ["resolve", "connect", "tls", "processing"],
    )


async def test_a_failure_of_the_body_is_told_at_its_phase(
    serve: Serve, slow_engine: Engine, authority: Authority
) -> None:
    port = await serve(stop_in_the_body, authority.server_context())
    observation = await observed(slow_engine, f"https://localhost:{port}/")
    whole = ["resolve", "connect", "tls", "processing", "transfer"]
    assert (observation.reason, reached(observation)) == (Reason.PROTOCOL, whole)


@pytest.mark.parametrize(
    ("said", "waited_for"),
    [
        (b"", "while waiting for the response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", "while reading the body"),
    ],
)
async def test_a_timeout_is_told_at_its_phase(serve: Serve, engine: Engine, said: bytes, waited_for: str) -> None:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(said)
        await asyncio.Event().wait()

    observation = await observed(engine, f"http://127.0.0.1:{await serve(talk)}/", seconds=0.3)
    assert (observation.reason, observation.message) == (Reason.TIMEOUT, f"timed out after 0.3 s {waited_for}")


async def test_a_certificate_that_expired_is_told_with_its_date(
    serve: Serve, slow_engine: Engine, authority: Authority
) -> None:
    expired_at = NOW - timedelta(days=3)
    port = await serve(hang_up, authority.server_context(expires_at=expired_at))
    observation = await observed(slow_engine, f"https://localhost:{port}/")
    assert (observation.reason, observation.certificate_expires_at) == (Reason.TLS, expired_at)
    assert f"expired on {expired_at:%Y-%m-%d}" in (observation.message or "")
