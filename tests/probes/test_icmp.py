"""Hosts that answer echo requests: this machine's kernel is the other side."""

import asyncio
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.icmp import probe_icmp
from probes.runner import probe
from probes.trace import Trace
from probes.wire.icmp import EchoSocket, _checksum
from tests.probes.examples import example_target
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.icmp import IcmpTarget

SECONDS = timedelta(seconds=10)


@pytest.fixture(autouse=True)
def permitted() -> None:
    """Skips the tests where this process may not send ICMP."""
    try:
        EchoSocket("127.0.0.1", 56).__exit__(None, None, None)
    except ProbeFailure as failure:
        pytest.skip(failure.message)


async def ping(engine: Engine, host: str = "127.0.0.1", seconds: float = 10, **fields: Any) -> Observation:
    target = {"host": host, "interval_ms": 10, **fields}
    return await probe(IcmpTarget.model_validate(target), timedelta(seconds=seconds), engine)


@pytest.mark.proves("icmp", "a real server")
@pytest.mark.parametrize(
    ("name", "host", "reason"),
    [("icmp-pass", "127.0.0.1", None), ("icmp-fail", "169.254.169.254", Reason.TARGET_BLOCKED)],
)
async def test_an_example_ends_as_it_says(engine: Engine, name: str, host: str, reason: Reason | None) -> None:
    assert (await probe(example_target(name, "icmp", host=host), SECONDS, engine)).reason is reason


@pytest.mark.proves("icmp", "loss")
@pytest.mark.proves("icmp", "round trip")
async def test_loss_and_round_trip_are_measured(engine: Engine) -> None:
    trace = Trace(SECONDS)
    await probe_icmp(IcmpTarget(host="127.0.0.1", count=5, interval_ms=10), engine, trace)
    assert trace.facts[Source.LOSS] == 0
    round_trip = trace.facts[Source.ROUND_TRIP]
    assert 0 <= round_trip["min"] <= round_trip["mean"] <= round_trip["max"] < 1000


async def test_a_host_is_pinged_over_ipv6(engine: Engine, ipv6: None) -> None:
    observation = await ping(engine, "::1", size_bytes=1400)
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "::1")


async def test_the_address_and_the_phase_are_told(engine: Engine) -> None:
    observation = await ping(engine, "localhost", ip_family="IPV4")
    assert (observation.address, observation.phases.connect) == ("127.0.0.1", None)
    assert observation.phases.processing


async def test_the_phase_is_the_mean_round_trip_without_the_pauses_between_packets(engine: Engine) -> None:
    observation = await ping(engine, count=3, interval_ms=400)
    assert observation.phases.processing is not None
    assert observation.phases.processing < timedelta(milliseconds=400)
    assert observation.duration > timedelta(milliseconds=800)


async def test_a_round_trip_is_not_longer_because_this_process_is_held_up(engine: Engine) -> None:
    with EchoSocket("127.0.0.1", 56) as echo:
        echo.send(0)
        time.sleep(0.3)  # noqa: ASYNC251 - holding up the event loop is the point
        async with asyncio.timeout(5):
            _, seconds = await echo.receive()
    assert seconds < 0.25


class Lossy(EchoSocket):
    """Sends some of the packets only."""

    lost: frozenset[int] = frozenset()

    def send(self, number: int) -> None:
        if number not in self.lost:
            super().send(number)


@pytest.fixture
def lossy(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Lossy]]:
    monkeypatch.setattr("probes.kinds.icmp.EchoSocket", Lossy)
    yield Lossy
    Lossy.lost = frozenset()


async def test_more_loss_than_is_allowed_fails(engine: Engine, lossy: type[Lossy]) -> None:
    lossy.lost = frozenset({1, 3})
    assert (await ping(engine, count=4, maximum_loss_percent=50)).outcome is Outcome.SUCCESS
    observation = await ping(engine, count=4, maximum_loss_percent=49)
    assert observation.reason is Reason.ASSERTION
    assert observation.message == "127.0.0.1 did not answer 2 of 4 packets; at most 49% may be lost"


async def test_a_host_that_is_silent_is_told_before_the_deadline(engine: Engine, lossy: type[Lossy]) -> None:
    lossy.lost = frozenset(range(3))
    observation = await ping(engine, seconds=1)
    assert (observation.reason, observation.message) == (
        Reason.TIMEOUT,
        "127.0.0.1 did not answer any of 3 packets in time",
    )
    assert observation.duration < timedelta(seconds=1)


async def test_packets_fit_into_the_timeout(engine: Engine) -> None:
    observation = await ping(engine, seconds=2, count=20, interval_ms=5000)
    assert observation.outcome is Outcome.SUCCESS


async def test_the_egress_guard_judges_the_address(engine: Engine) -> None:
    shared = replace(engine, policy=EgressPolicy(allow_private=False))
    for host in ("127.0.0.1", "::1", "localhost"):
        assert (await ping(shared, host)).reason is Reason.TARGET_BLOCKED
    assert (await ping(engine, "169.254.169.254")).reason is Reason.TARGET_BLOCKED


def _in_a_network_of_its_own(group_range: str, address: str = "127.0.0.1") -> str:
    """What a probe says there, without the capability for raw sockets."""
    alone = ["unshare", "--net", "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    command = [*alone, sys.executable, "-m", "tests.probes.pinging", group_range, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 and "Operation not permitted" in done.stderr:
        pytest.skip("making a network takes the rights of root")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.proves("icmp", "unprivileged socket")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_socket_for_echo_requests_is_enough(address: str, ipv6: None) -> None:
    assert _in_a_network_of_its_own("0 2147483647", address) == "SUCCESS None\n"


@pytest.mark.proves("icmp", "not permitted")
def test_what_is_not_permitted_is_unknown_and_tells_the_remedy() -> None:
    said = _in_a_network_of_its_own("1 0")
    assert said.startswith("UNKNOWN this worker may not send ICMP")
    assert "net.ipv4.ping_group_range" in said


def _reply(echo: EchoSocket, number: int, **changed: Any) -> bytes:
    parts = {"kind": 0, "code": 0, "identifier": echo._id, "payload": echo._payload, **changed}
    head = struct.pack("!BBHHH", parts["kind"], parts["code"], 0, parts["identifier"], number)
    return b"".join((b"\x45", bytes(19), head, parts["payload"]))


@pytest.mark.parametrize(
    "forged", [{"kind": 8}, {"kind": 3}, {"code": 1}, {"identifier": -1}, {"payload": b""}, {"payload": bytes(56)}]
)
def test_what_does_not_answer_this_probe_is_passed_over(forged: dict[str, Any]) -> None:
    with EchoSocket("127.0.0.1", 56) as echo:
        echo._is_raw = True
        if "identifier" in forged:
            forged = {"identifier": echo._id ^ 1}
        assert echo._number_of(_reply(echo, 7)) == 7
        assert echo._number_of(_reply(echo, 7, **forged)) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_a_packet_or_none(packet: bytes) -> None:
    for address in ("127.0.0.1", "::1"):
        try:
            echo = EchoSocket(address, 56)
        except ProbeFailure:
            continue
        with echo:
            assert echo._number_of(packet) is None


@given(st.binary(min_size=8, max_size=100))
def test_a_packet_with_its_checksum_sums_up_to_nothing(packet: bytes) -> None:
    zeroed = packet[:2] + b"\0\0" + packet[4:]
    assert _checksum(packet[:2] + _checksum(zeroed).to_bytes(2) + packet[4:]) == 0


async def test_cancelling_closes_the_socket(engine: Engine, lossy: type[Lossy]) -> None:
    lossy.lost = frozenset(range(20))
    before = _raw_sockets()
    running = asyncio.create_task(ping(engine, count=20))
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert _raw_sockets() == before


def _raw_sockets() -> int:
    """How many sockets this process has for ICMP, whichever kind."""
    return len([each for each in Path("/proc/self/fd").iterdir() if each.exists() and each.is_socket()])
