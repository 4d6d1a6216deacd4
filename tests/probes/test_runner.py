"""The deadline, and what becomes of errors."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

import probes.runner
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.runner import probe
from probes.trace import Phase, Trace
from tests.probes.conftest import STARTED_AT
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.tcp import TcpTarget

TARGET = TcpTarget(host="s3cret.example", port=80)
SECOND = timedelta(seconds=1)


async def run(
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    prober: Any,
    timeout: timedelta = SECOND,  # noqa: ASYNC109
) -> Observation:
    monkeypatch.setattr(probes.runner, "PROBERS", {"tcp": prober})
    return await probe(TARGET, timeout, engine)


async def test_an_error_of_ours_says_nothing_about_the_target(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    async def prober(*_: object) -> None:
        raise RuntimeError("s3cret")

    with capture_logs() as logs:
        observation = await run(monkeypatch, engine, prober)
    assert (observation.outcome, observation.reason) == (Outcome.UNKNOWN, Reason.INTERNAL_ERROR)
    assert observation.message == "internal error: RuntimeError"
    assert [(log["event"], log["kind"], log["error"]) for log in logs] == [
        ("probe_failed_internally", "tcp", "RuntimeError")
    ]
    assert "s3cret" not in str(logs)


async def test_a_failure_keeps_what_was_seen_until_then(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    async def prober(_target: object, _engine: object, trace: Trace) -> None:
        trace.address, trace.status_code, trace.tls_version = "1.1.1.1", 500, "TLSv1.3"
        trace.enter(Phase.CONNECT)
        await asyncio.sleep(0.02)
        raise ProbeFailure(Reason.STATUS, "expected 200-299, got 500")

    observation = await run(monkeypatch, engine, prober)
    assert (observation.outcome, observation.reason) == (Outcome.FAILURE, Reason.STATUS)
    assert (observation.address, observation.status_code, observation.tls_version) == ("1.1.1.1", 500, "TLSv1.3")
    assert observation.phases.connect
    assert timedelta(milliseconds=15) < observation.phases.connect <= observation.duration


async def test_a_long_message_is_cut(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    async def prober(*_: object) -> None:
        raise ProbeFailure(Reason.PROTOCOL, "x" * 1000)

    assert (await run(monkeypatch, engine, prober)).message == "x" * 500


@pytest.mark.parametrize(
    ("phase", "doing"),
    [
        (None, "before it began"),
        (Phase.RESOLVE, "while resolving the name"),
        (Phase.CONNECT, "while connecting"),
        (Phase.TLS, "during the TLS handshake"),
        (Phase.PROCESSING, "while waiting for the response"),
        (Phase.TRANSFER, "while reading the body"),
    ],
)
async def test_a_timeout_says_what_took_the_time(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, phase: Phase | None, doing: str
) -> None:
    async def prober(_target: object, _engine: object, trace: Trace) -> None:
        trace.enter(phase)
        await asyncio.Event().wait()

    observation = await run(monkeypatch, engine, prober, timedelta(milliseconds=20))
    assert (observation.outcome, observation.reason) == (Outcome.FAILURE, Reason.TIMEOUT)
    assert observation.message == f"timed out after 0.02 s {doing}"


async def test_cancelling_a_probe_is_no_observation(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    async def prober(*_: object) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(run(monkeypatch, engine, prober))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_clock_of_the_engine_tells_when_a_probe_started(engine: Engine) -> None:
    target = HttpTarget.model_construct(url="http://169.254.169.254/", follow_redirects=True, headers=(), body=None)
    assert (await probe(target, SECOND, engine)).started_at == STARTED_AT


async def test_phases_that_come_again_add_up() -> None:
    trace = Trace(SECOND)
    for phase in (Phase.CONNECT, Phase.TRANSFER, Phase.CONNECT, Phase.TRANSFER, None):
        trace.enter(phase)
        await asyncio.sleep(0.005)
    phases = trace.phases()
    assert phases.connect is not None
    assert phases.transfer is not None
    assert min(phases.connect, phases.transfer) >= timedelta(milliseconds=8)
    assert phases.connect + phases.transfer <= trace.duration
