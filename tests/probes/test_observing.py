"""Runs of several attempts, and the evidence that is kept of them."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, repeat

import pytest

from probes.aims import Aim
from probes.engine import Engine
from probes.evidence_ration import is_worth_evidence
from probes.observing import Observer
from probes.redaction import Redaction
from probes.stalls import StallWatch
from tests.probes.conftest import STARTED_AT
from tests.probes.serving import Serve, ServeBytes, read_request
from tocsin.domain.evidence import Evidence, from_json
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.retries import NO_RETRIES, Retries
from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.tcp import TcpTarget

SECOND = timedelta(seconds=1)
SORRY = b"HTTP/1.1 503 Sorry\r\nSet-Cookie: id=1\r\nServer: x\r\nContent-Length: 9\r\n\r\nswordfish"
GOOD = b"HTTP/1.1 204 Fine\r\n\r\n"


@pytest.fixture
def observer(engine: Engine) -> Observer:
    return Observer(engine, StallWatch(lambda: STARTED_AT), lambda: STARTED_AT)


async def serve_in_turn(serve: Serve, *answers: bytes) -> HttpTarget:
    """A target that gives these answers, one a connection, and the last one from then on."""
    left: Iterator[bytes] = chain(answers, repeat(answers[-1]))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(next(left))

    return HttpTarget(url=f"http://127.0.0.1:{await serve(talk)}/")


def retries(attempts: int, delay_seconds: float = 0.0) -> Retries:
    return Retries(attempts, timedelta(seconds=delay_seconds))


async def observed(
    observer: Observer, target: HttpTarget, tried: Retries = NO_RETRIES, redaction: Redaction | None = None
) -> tuple[Observation, Evidence | None]:
    seen = await observer.observe(Aim(target, 5 * SECOND, redaction, tried), 1, is_worth_evidence)
    return seen, None if seen.evidence is None else from_json(seen.evidence)


async def test_a_target_that_is_well_at_the_second_attempt_is_well(observer: Observer, serve: Serve) -> None:
    seen, evidence = await observed(observer, await serve_in_turn(serve, SORRY, GOOD), retries(3))
    assert (seen.outcome, seen.attempts, seen.reason) == (Outcome.SUCCESS, 2, None)
    assert evidence is not None
    assert [(each.outcome, each.reason) for each in evidence.attempts] == [(Outcome.FAILURE, Reason.STATUS)]


async def test_a_target_that_goes_on_failing_has_failed_after_its_last_attempt(
    observer: Observer, serve: Serve
) -> None:
    seen, evidence = await observed(observer, await serve_in_turn(serve, SORRY), retries(2))
    assert (seen.outcome, seen.reason, seen.attempts) == (Outcome.FAILURE, Reason.STATUS, 3)
    assert evidence is not None
    assert len(evidence.attempts) == 2


async def test_the_next_attempt_waits_for_its_delay(observer: Observer, serve: Serve) -> None:
    started_at = asyncio.get_running_loop().time()
    await observed(observer, await serve_in_turn(serve, SORRY, GOOD), retries(1, 0.3))
    assert asyncio.get_running_loop().time() - started_at >= 0.3


async def test_what_says_nothing_about_the_target_is_not_tried_again(observer: Observer) -> None:
    blocked = HttpTarget(url="http://169.254.169.254/")
    seen, evidence = await observed(observer, blocked, retries(5, 30))
    assert (seen.outcome, seen.attempts, evidence) == (Outcome.UNKNOWN, 1, None)


async def test_a_run_that_is_cancelled_between_attempts_says_nothing(observer: Observer, serve: Serve) -> None:
    target = await serve_in_turn(serve, SORRY)
    run = asyncio.create_task(observed(observer, target, retries(1, 30)))
    await asyncio.sleep(0.2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_of_a_failing_response_headers_and_the_first_of_the_body_are_kept(
    observer: Observer, serve: Serve
) -> None:
    _, evidence = await observed(observer, await serve_in_turn(serve, SORRY))
    assert evidence is not None
    assert evidence.headers == (("Set-Cookie", "***"), ("Server", "x"), ("Content-Length", "9"))
    assert evidence.body_excerpt == "swordfish"


@pytest.mark.parametrize("redaction", [Redaction(["swordfish"]), Redaction([], ["swordfish"])])
async def test_what_a_target_was_sent_is_masked_in_evidence(
    observer: Observer, serve: Serve, redaction: Redaction
) -> None:
    _, evidence = await observed(observer, await serve_in_turn(serve, SORRY), redaction=redaction)
    assert evidence is not None
    assert evidence.body_excerpt == "***"


async def test_nothing_is_kept_where_a_secret_is_too_short_to_be_found(observer: Observer, serve: Serve) -> None:
    _, evidence = await observed(observer, await serve_in_turn(serve, SORRY), redaction=Redaction(["ish"]))
    assert evidence is None


async def test_a_connection_that_is_refused_leaves_nothing_to_keep(observer: Observer, unused_port: int) -> None:
    aim = Aim(TcpTarget(host="127.0.0.1", port=unused_port), SECOND)
    seen = await observer.observe(aim, 1, is_worth_evidence)
    assert (seen.reason, seen.evidence) == (Reason.CONNECT, None)


async def test_the_whole_head_of_a_huge_response_is_not_kept(observer: Observer, serve_bytes: ServeBytes) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 900) for number in range(40))
    url = await serve_bytes(b"HTTP/1.1 500 No\r\n" + lines + b"Content-Length: 100000\r\n\r\n", b"y" * 100_000)
    seen, _ = await observed(observer, HttpTarget(url=url))
    assert seen.evidence is not None
    assert 2048 < len(seen.evidence.encode()) <= 8192
