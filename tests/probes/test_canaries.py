"""Canaries: whether a failure is the target's, or of the location that probes it."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from probes.canaries import Canaries
from probes.egress import EgressPolicy
from probes.engine import Engine
from tests.probes.conftest import STARTED_AT
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets import parse_target
from tocsin.domain.targets.model import Target
from tocsin.setting_values import read_canaries

FAILED = Observation(Outcome.FAILURE, STARTED_AT, timedelta(seconds=1), Reason.CONNECT, "refused")
# Nobody listens at these.
DEAD = "127.0.0.1:1"


class Canary:
    """A server that counts who asks it."""

    def __init__(self) -> None:
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        self.port = 0

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _converse(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        self.was_asked.set()
        await self.answers.wait()
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    @property
    def target(self) -> Target:
        return parse_target("http", {"url": f"http://127.0.0.1:{self.port}/", "method": "HEAD"})


async def judged(canaries: Canaries, seen: Observation = FAILED, kind: str = "http") -> Observation:
    return await canaries.judge(kind, seen, time.monotonic())


async def test_a_failure_is_the_targets_when_a_canary_answers(engine: Engine) -> None:
    canary = Canary()
    async with await canary.serve():
        canaries = Canaries([*read_canaries(DEAD), canary.target], engine)
        assert await judged(canaries) == FAILED
    assert canaries.impaired_since is None


async def test_a_failure_says_nothing_of_the_target_when_no_canary_answers(engine: Engine) -> None:
    canaries = Canaries(read_canaries(f"{DEAD},http://127.0.0.1:1/"), engine)
    seen = await judged(canaries)
    assert (seen.outcome, seen.reason) == (Outcome.UNKNOWN, Reason.LOCATION_IMPAIRED)
    assert seen.message == "the location reached none of its canaries (2) either: refused"
    assert canaries.impaired_since == STARTED_AT


async def test_without_canaries_every_failure_is_the_targets(engine: Engine) -> None:
    assert await judged(Canaries([], engine)) == FAILED


@pytest.mark.parametrize(
    "seen",
    [
        replace(FAILED, outcome=Outcome.SUCCESS, reason=None),
        replace(FAILED, outcome=Outcome.DEGRADED),
        replace(FAILED, outcome=Outcome.UNKNOWN, reason=Reason.TARGET_BLOCKED),
    ],
)
async def test_only_failures_ask_the_canaries(engine: Engine, seen: Observation) -> None:
    canary = Canary()
    async with await canary.serve():
        assert await judged(Canaries([canary.target], engine), seen) == seen
    assert canary.asked == 0


@pytest.mark.parametrize("kind", ["heartbeat", "kubernetes"])
async def test_what_is_not_reached_over_the_network_asks_no_canary(engine: Engine, kind: str) -> None:
    assert await judged(Canaries(read_canaries(DEAD), engine), kind=kind) == FAILED


async def test_all_failures_of_the_moment_share_one_round(engine: Engine) -> None:
    canary = Canary()
    async with await canary.serve():
        canaries = Canaries([canary.target], engine)
        assert set(await asyncio.gather(*(judged(canaries) for _ in range(200)))) == {FAILED}
    assert canary.asked == 1


async def test_an_answer_counts_only_after_the_probe_began(engine: Engine) -> None:
    canary = Canary()
    server = await canary.serve()
    async with server:
        canaries = Canaries([canary.target], engine)
        assert await judged(canaries) == FAILED
    server.close()
    await server.wait_closed()
    assert (await judged(canaries)).reason is Reason.LOCATION_IMPAIRED


async def test_a_round_that_is_given_up_goes_on_for_others(engine: Engine) -> None:
    canary = Canary()
    canary.answers.clear()
    async with await canary.serve():
        canaries = Canaries([canary.target], engine)
        given_up, waiting = (asyncio.create_task(judged(canaries)) for _ in range(2))
        await canary.was_asked.wait()
        given_up.cancel()
        canary.answers.set()
        assert await waiting == FAILED
    assert canary.asked == 1


async def test_the_location_recovers_with_the_first_answer_and_says_so(engine: Engine) -> None:
    canary = Canary()
    server = await canary.serve()
    canaries = Canaries([canary.target], engine)
    server.close()
    await server.wait_closed()
    with capture_logs() as logs:
        await judged(canaries)
        await judged(canaries)
        again = await asyncio.start_server(canary._converse, "127.0.0.1", canary.port)
        async with again:
            await canaries.ask()
    assert [entry["event"] for entry in logs] == ["location_is_impaired", "location_reaches_its_canaries_again"]
    assert canaries.impaired_since is None


async def test_the_egress_guard_stands_before_canaries_too() -> None:
    canary = Canary()
    async with await canary.serve():
        guarded = Engine(EgressPolicy(allow_private=False), now=lambda: STARTED_AT)
        assert (await judged(Canaries([canary.target], guarded))).reason is Reason.LOCATION_IMPAIRED
        await guarded.evaluator.close()
    assert canary.asked == 0


@pytest.mark.parametrize("text", ["", "example.com", "ftp://example.com", "example.com:0", "a b:53", "https://"])
def test_what_is_no_canary_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must list addresses such as https://"):
        read_canaries(text)


def test_canaries_are_urls_or_ports() -> None:
    kinds = [target.kind for target in read_canaries("https://example.com, 192.0.2.1:53,[2001:db8::1]:53")]
    assert kinds == ["http", "tcp", "tcp"]
