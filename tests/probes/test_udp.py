"""UDP ports: what is sent, what must come back, and what their silence says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.kinds.udp import probe_udp
from probes.runner import probe
from probes.trace import Trace
from tests.probes.examples import example_target
from tests.servers.unbound import Unbound
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.udp import UdpTarget

Answering = Callable[[bytes], list[bytes]]


class Answerer(asyncio.DatagramProtocol):
    """Answers each datagram with those that a test makes of it."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for datagram in self._answering(data):
            self.transport.sendto(datagram, addr)


class Answer(Protocol):
    """Starts a server that answers so, and returns its port."""

    async def __call__(self, answering: Answering) -> int: ...


@pytest.fixture
async def answer() -> AsyncIterator[Answer]:
    transports: list[asyncio.DatagramTransport] = []

    async def start(answering: Answering) -> int:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: Answerer(answering), ("127.0.0.1", 0))
        transports.append(transport)
        port: int = transport.get_extra_info("sockname")[1]
        return port

    yield start
    for transport in transports:
        transport.close()


def to(port: int, **fields: Any) -> UdpTarget:
    return UdpTarget.model_validate({"host": "127.0.0.1", "port": port, "send": "ping", "expect": "pong", **fields})


async def observed(engine: Engine, port: int, seconds: float = 5, **fields: Any) -> Observation:
    return await probe(to(port, **fields), timedelta(seconds=seconds), engine)


@pytest.mark.proves("udp", "a real server")
@pytest.mark.parametrize(("name", "reason"), [("udp-pass", None), ("udp-fail", Reason.ASSERTION)])
async def test_an_example_ends_as_it_says(engine: Engine, unbound: Unbound, name: str, reason: Reason | None) -> None:
    target = example_target(name, "udp", host="127.0.0.1", port=unbound.ports["plain"])
    observation = await probe(target, timedelta(seconds=2), engine)
    assert observation.reason is reason


@pytest.mark.proves("udp", "text")
@pytest.mark.proves("udp", "hex")
@pytest.mark.proves("udp", "pattern")
@pytest.mark.parametrize(
    "fields",
    [
        {"expect": r"pong ping\r\n", "send": r"ping\r\n"},
        {"expect": "70 6f 6e 67", "expect_as": "HEX", "send": "ff 00", "send_as": "HEX"},
        {"expect": "^p[aeiou]ng", "expect_as": "PATTERN"},
    ],
)
async def test_what_is_expected_comes_back(engine: Engine, answer: Answer, fields: dict[str, Any]) -> None:
    observation = await observed(engine, await answer(lambda data: [b"pong " + data]), **fields)
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "127.0.0.1")
    assert observation.phases.processing


async def test_a_closed_port_refuses(engine: Engine, unused_port: int) -> None:
    observation = await observed(engine, unused_port)
    assert observation.reason is Reason.CONNECT
    assert observation.message == f"127.0.0.1:{unused_port} refused the datagram: nobody listens there"


async def test_silence_ends_at_the_timeout(engine: Engine, answer: Answer) -> None:
    observation = await observed(engine, await answer(lambda _: []), seconds=0.3)
    assert (observation.reason, observation.message) == (
        Reason.TIMEOUT,
        "timed out after 0.3 s while waiting for the response",
    )


async def test_other_datagrams_are_passed_over_and_counted(engine: Engine, answer: Answer) -> None:
    right = await answer(lambda _: [b"", b"other", bytes(60_000), b"pong"])
    assert (await observed(engine, right)).outcome is Outcome.SUCCESS
    observation = await observed(engine, await answer(lambda _: [b"a", b"b"]), seconds=0.5)
    assert (observation.reason, observation.message) == (
        Reason.ASSERTION,
        'expected "pong" within 0.5 s, got 2 datagrams, the last of 1 byte: "b"',
    )


async def test_a_flood_ends_the_probe(engine: Engine, answer: Answer) -> None:
    observation = await observed(engine, await answer(lambda _: [b"x"] * 210), seconds=5)
    assert observation.reason in (Reason.PROTOCOL, Reason.ASSERTION)


async def test_what_came_is_kept_as_facts(engine: Engine, answer: Answer) -> None:
    trace = Trace(timedelta(seconds=5))
    await probe_udp(to(await answer(lambda _: [b"pong\0"])), engine, trace)
    assert (trace.facts[Source.BODY], trace.facts[Source.SIZE]) == ("pong\N{REPLACEMENT CHARACTER}", 5)


async def test_the_egress_guard_judges_the_address(engine: Engine) -> None:
    shared = replace(engine, policy=EgressPolicy(allow_private=False))
    assert (await observed(shared, 53)).reason is Reason.TARGET_BLOCKED
    refused = replace(engine, policy=EgressPolicy(allow_private=True, refused=frozenset({("127.0.0.1", 53)})))
    assert (await observed(refused, 53)).reason is Reason.TARGET_BLOCKED
