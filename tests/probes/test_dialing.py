"""From a name to a connection: what is judged is what is dialed."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import probes.wire.dialing
from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import probe
from probes.wire.resolver import Resolver
from tests.probes.name_server import NameServer
from tests.probes.serving import Serve
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.tcp import TcpTarget


@pytest.fixture
def engine(engine: Engine, resolver: Resolver) -> Engine:
    return replace(engine, resolver=resolver)


def shared(engine: Engine, port: int) -> Engine:
    """An engine that reaches 127.0.0.1 at one port, as if it were public, and nothing else on loopback."""
    policy = EgressPolicy(allow_private=False, excepted=frozenset({("127.0.0.1", port)}))
    return replace(engine, policy=policy)


async def observe(engine: Engine, port: int, timeout_seconds: float = 5, host: str = "a.example") -> Observation:
    return await probe(TcpTarget(host=host, port=port), timedelta(seconds=timeout_seconds), engine)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.fixture
def deaf() -> Iterator[Callable[[str, int], int]]:
    """Listens where connecting never ends: the queue of the listener is full."""
    sockets: list[socket.socket] = []

    def listen(address: str = "127.0.0.1", port: int = 0) -> int:
        listener = socket.socket()
        sockets.append(listener)
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(2):
            waiting = socket.socket()
            sockets.append(waiting)
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        bound: int = listener.getsockname()[1]
        return bound

    yield listen
    for each in sockets:
        each.close()


async def test_a_port_that_accepts_is_a_success(serve: Serve, name_server: NameServer, engine: Engine) -> None:
    name_server.records["a.example"] = {"A": ["127.0.0.1"]}
    observation = await observe(engine, await serve(_accept))
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "127.0.0.1")
    assert observation.phases.resolve
    assert observation.phases.connect
    assert observation.phases.processing is None


async def test_a_name_that_does_not_exist_fails_with_dns(engine: Engine) -> None:
    observation = await observe(engine, 80)
    assert (observation.outcome, observation.reason) == (Outcome.FAILURE, Reason.DNS)
    assert observation.address is None
    assert observation.phases.resolve


async def test_a_rebound_name_is_judged_again(serve: Serve, name_server: NameServer, engine: Engine) -> None:
    port = await serve(_accept)
    name_server.ttl_seconds = 0
    name_server.records["a.example"] = {"A": ["127.0.0.1"]}
    assert (await observe(shared(engine, port), port)).outcome is Outcome.SUCCESS
    name_server.records["a.example"] = {"A": ["127.0.0.2"]}
    assert (await observe(shared(engine, port), port)).reason is Reason.TARGET_BLOCKED


@pytest.mark.parametrize("inside", ["127.0.0.2", "10.0.0.1", "169.254.169.254"])
async def test_of_mixed_answers_only_the_allowed_are_dialed(
    serve: Serve, name_server: NameServer, engine: Engine, inside: str
) -> None:
    port = await serve(_accept)
    name_server.records["a.example"] = {"A": [inside, "127.0.0.1"]}
    observation = await observe(shared(engine, port), port)
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "127.0.0.1")


async def test_an_alias_to_inside_is_refused(name_server: NameServer, engine: Engine) -> None:
    name_server.records["a.example"] = {"CNAME": ["inside.example."]}
    name_server.records["inside.example"] = {"A": ["10.0.0.1"], "AAAA": ["fd00::1"]}
    observation = await observe(shared(engine, 1), 80)
    assert (observation.outcome, observation.reason) == (Outcome.UNKNOWN, Reason.TARGET_BLOCKED)
    assert observation.address is None
    assert "10.0.0.1" not in str(observation)


async def test_metadata_is_refused_where_private_is_allowed(name_server: NameServer, engine: Engine) -> None:
    name_server.records["a.example"] = {"A": ["169.254.169.254"], "AAAA": ["fd00:ec2::254"]}
    assert (await observe(engine, 80)).reason is Reason.TARGET_BLOCKED


async def test_a_refused_address_gives_way_to_the_next(serve: Serve, name_server: NameServer, engine: Engine) -> None:
    port = await serve(_accept, host="127.0.0.2")
    name_server.records["a.example"] = {"A": ["127.0.0.1", "127.0.0.2"]}
    observation = await observe(engine, port)
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "127.0.0.2")


async def test_a_silent_address_leaves_time_for_the_next(
    serve: Serve, name_server: NameServer, engine: Engine, deaf: Callable[[str, int], int]
) -> None:
    port = await serve(_accept, host="127.0.0.2")
    deaf("127.0.0.1", port)
    name_server.records["a.example"] = {"A": ["127.0.0.1", "127.0.0.2"]}
    observation = await observe(engine, port, timeout_seconds=0.6)
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "127.0.0.2")


async def test_a_silent_address_alone_times_out(engine: Engine, deaf: Callable[..., int]) -> None:
    observation = await observe(engine, deaf(), timeout_seconds=0.1, host="127.0.0.1")
    assert (observation.reason, observation.message) == (Reason.TIMEOUT, "timed out after 0.1 s while connecting")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
async def test_a_connection_that_times_out_leaves_no_socket_behind(engine: Engine, deaf: Callable[..., int]) -> None:
    port = deaf()
    before = _open_files()
    await asyncio.gather(*(observe(engine, port, timeout_seconds=0.05, host="127.0.0.1") for _ in range(20)))
    await asyncio.sleep(0.01)
    assert _open_files() <= before


async def test_a_name_whose_addresses_all_refuse_tells_one(
    name_server: NameServer, engine: Engine, unused_port: int
) -> None:
    name_server.records["a.example"] = {"A": ["127.0.0.1", "127.0.0.2"]}
    observation = await observe(engine, unused_port)
    assert observation.reason is Reason.CONNECT
    message = f"{observation.address}:{unused_port} refused the connection; no other address of the name accepted one"
    assert observation.message == f"{message} either"


async def test_a_network_that_cannot_be_reached_is_said_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: object) -> None:
        raise OSError(errno.ENETUNREACH, "")

    monkeypatch.setattr(probes.wire.dialing, "open_connection", unreachable)
    observation = await observe(engine, 80, host="fd99::1")
    assert observation.message == "could not connect to [fd99::1]:80: network is unreachable"


async def test_a_silent_name_server_is_named_at_the_deadline(name_server: NameServer, engine: Engine) -> None:
    name_server.silent.add("a.example")
    observation = await observe(engine, 80, timeout_seconds=0.1)
    assert observation.message == "timed out after 0.1 s while resolving the name"


async def test_addresses_in_disguise_are_never_looked_up(name_server: NameServer, engine: Engine) -> None:
    target = TcpTarget.model_construct(host="0x7f.1", port=80)
    observation = await probe(target, timedelta(seconds=1), engine)
    assert observation.reason is Reason.TARGET_BLOCKED
    assert not name_server.asked
