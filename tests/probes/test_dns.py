"""Checks of name servers: what they answer, over each transport, and what hostile ones try."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import dns.flags
import dns.message
import dns.rrset
import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.kinds.dns.prober import probe_dns
from probes.runner import probe
from probes.trace import Trace
from probes.wire.name_service import NameService
from probes.wire.resolver import Resolver
from tests.probes.examples import example_target
from tests.probes.name_server import NameServer
from tests.probes.serving import Serve
from tests.servers.unbound import Unbound
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.dns import DnsTarget

SECONDS = timedelta(seconds=10)
Answering = Callable[[dns.message.Message], list[bytes]]


class Ask(Protocol):
    """Asks the real server."""

    async def __call__(self, name: str = "example.test", **fields: Any) -> Observation: ...


@pytest.fixture
def ask(engine: Engine, unbound: Unbound) -> Ask:
    async def observe(name: str = "example.test", **fields: Any) -> Observation:
        port = unbound.ports[fields.pop("at", "plain")]
        target = {"server": "127.0.0.1", "port": port, "name": name, **fields}
        return await probe(DnsTarget.model_validate(target), SECONDS, engine)

    return observe


@pytest.mark.proves("dns", "a real server")
@pytest.mark.parametrize(("name", "reason"), [("dns-pass", None), ("dns-fail", Reason.STATUS)])
async def test_an_example_ends_as_it_says(engine: Engine, unbound: Unbound, name: str, reason: Reason | None) -> None:
    target = example_target(name, "dns", server="127.0.0.1", port=unbound.ports["plain"])
    assert (await probe(target, SECONDS, engine)).reason is reason


@pytest.mark.proves("dns", "A")
@pytest.mark.proves("dns", "AAAA")
@pytest.mark.proves("dns", "CNAME")
@pytest.mark.proves("dns", "MX")
@pytest.mark.proves("dns", "TXT")
@pytest.mark.proves("dns", "NS")
@pytest.mark.proves("dns", "SOA")
@pytest.mark.proves("dns", "SRV")
@pytest.mark.proves("dns", "CAA")
@pytest.mark.proves("dns", "PTR")
@pytest.mark.parametrize(
    ("record_type", "name", "expected"),
    [
        ("A", "example.test", ("192.0.2.11", "192.0.2.10")),
        ("AAAA", "example.test.", ("2001:DB8:0::10",)),
        ("CNAME", "www.example.test", ("Example.Test.",)),
        ("MX", "example.test", ("10 mail.example.test", "20 backup.example.test.")),
        ("TXT", "example.test", ("v=spf1 -all",)),
        ("NS", "example.test", ("ns1.example.test", "ns2.example.test")),
        (
            "SOA",
            "example.test",
            ("ns1.example.test hostmaster.example.test 2026112101 3600 600 604800 300",),
        ),
        ("SRV", "_sip._tcp.example.test", ("10 60 5060 sip.example.test",)),
        ("CAA", "example.test", ("0 issue ca.example.test",)),
        ("PTR", "192.0.2.10", ("example.test",)),
        ("PTR", "10.2.0.192.in-addr.arpa", ("example.test",)),
    ],
)
async def test_records_of_each_type_are_compared(
    ask: Ask, record_type: str, name: str, expected: tuple[str, ...]
) -> None:
    observation = await ask(name, record_type=record_type, expected=expected, match="EQUALS")
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    assert (observation.address, bool(observation.phases.processing)) == ("127.0.0.1", True)


@pytest.mark.proves("dns", "expected values")
async def test_what_is_not_expected_is_told(ask: Ask) -> None:
    missing = await ask(expected=("192.0.2.10", "192.0.2.99"))
    assert missing.reason is Reason.ASSERTION
    assert missing.message is not None
    assert missing.message.startswith("expected 192.0.2.10, 192.0.2.99 among 192.0.2.1")
    assert (await ask(expected=("192.0.2.10",))).outcome is Outcome.SUCCESS
    more = await ask(expected=("192.0.2.10",), match="EQUALS")
    assert more.message is not None
    assert more.message.startswith("expected 192.0.2.10 and no more, got 192.0.2.1")
    none = await ask("mail.example.test", record_type="MX", rcode="NXDOMAIN")
    assert none.outcome is Outcome.SUCCESS
    assert (await ask("www.example.test", record_type="TXT")).reason is Reason.ASSERTION


@pytest.mark.proves("dns", "rcode")
async def test_another_code_than_the_expected_one_is_a_status(ask: Ask) -> None:
    observation = await ask("nothing.example.test")
    assert (observation.reason, observation.message) == (Reason.STATUS, "expected NOERROR, got NXDOMAIN")
    assert (await ask("nothing.example.test", rcode="NXDOMAIN")).outcome is Outcome.SUCCESS


@pytest.mark.proves("dns", "udp")
@pytest.mark.proves("dns", "tcp")
@pytest.mark.proves("dns", "tls")
@pytest.mark.proves("dns", "https")
@pytest.mark.parametrize(("transport", "at"), [("UDP", "plain"), ("TCP", "plain"), ("TLS", "tls"), ("HTTPS", "https")])
async def test_a_name_server_is_asked_over_each_transport(ask: Ask, unbound: Unbound, transport: str, at: str) -> None:
    secured: dict[str, Any] = {"tls": {"ca": unbound.credentials.ca}} if at != "plain" else {}
    observation = await ask(transport=transport, at=at, expected=("192.0.2.10",), **secured)
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    assert observation.tls_verified is (True if secured else None)


async def test_a_wrong_path_over_https_is_a_status(ask: Ask, unbound: Unbound) -> None:
    tls = {"ca": unbound.credentials.ca}
    observation = await ask(transport="HTTPS", at="https", path="/nothing", tls=tls)
    assert (observation.reason, observation.message) == (Reason.STATUS, "expected 200 over HTTPS, got 404")


@pytest.mark.proves("dns", "TTL")
async def test_a_ttl_is_bounded(ask: Ask) -> None:
    assert (await ask(minimum_ttl_seconds=300, maximum_ttl_seconds=300)).outcome is Outcome.SUCCESS
    assert (await ask(minimum_ttl_seconds=301)).message == "expected a TTL of at least 301 s, got 300 s"
    assert (await ask(record_type="TXT", maximum_ttl_seconds=59)).message == "expected a TTL of at most 59 s, got 60 s"


@pytest.mark.proves("dns", "authority")
async def test_an_answer_must_be_authoritative_and_name_its_authority(ask: Ask) -> None:
    assert (await ask(authoritative=True)).outcome is Outcome.SUCCESS
    soa = "ns1.example.test. hostmaster.example.test. 2026112101 3600 600 604800 300"
    nothing = {"name": "nothing.example.test", "rcode": "NXDOMAIN"}
    assert (await ask(**nothing, authority=(soa,))).outcome is Outcome.SUCCESS
    observation = await ask(**nothing, authority=("ns9.example.test",))
    assert observation.message is not None
    assert observation.message.startswith("expected ns9.example.test in the authority section, got ns1.example.test")


@pytest.mark.proves("dns", "resolver")
async def test_without_a_server_those_of_the_system_are_asked(engine: Engine, unbound: Unbound, tmp_path: Path) -> None:
    system = NameService((("127.0.0.1", unbound.ports["plain"]),))
    asking = replace(engine, resolver=Resolver(system, hosts=tmp_path / "hosts"))
    for transport in ("UDP", "TCP"):
        target = DnsTarget.model_validate({"name": "example.test", "transport": transport})
        assert (await probe(target, SECONDS, asking)).outcome is Outcome.SUCCESS
    shared = replace(asking, policy=EgressPolicy(allow_private=False))
    observation = await probe(DnsTarget(name="example.test"), SECONDS, shared)
    assert observation.reason is Reason.TARGET_BLOCKED
    assert observation.message is not None
    assert "name a server" in observation.message


async def test_the_egress_guard_judges_a_name_server(ask: Ask, engine: Engine) -> None:
    shared = replace(engine, policy=EgressPolicy(allow_private=False))
    for transport in ("UDP", "TCP", "TLS", "HTTPS"):
        target = DnsTarget.model_validate({"name": "example.test", "server": "127.0.0.1", "transport": transport})
        assert (await probe(target, SECONDS, shared)).reason is Reason.TARGET_BLOCKED


async def test_what_was_answered_is_kept_as_facts(engine: Engine, unbound: Unbound) -> None:
    trace = Trace(SECONDS)
    target = {"name": "example.test", "record_type": "MX", "server": "127.0.0.1", "port": unbound.ports["plain"]}
    await probe_dns(DnsTarget.model_validate(target), engine, trace)
    assert trace.facts[Source.STATUS] == "NOERROR"
    assert set(trace.facts[Source.RECORD]) == {"10 mail.example.test", "20 backup.example.test"}
    assert trace.facts[Source.SIZE] > 50


class Liar(asyncio.DatagramProtocol):
    """Answers each question with datagrams that a test makes."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.asked = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        for datagram in self._answering(dns.message.from_wire(data)):
            self.transport.sendto(datagram, addr)


class Lie(Protocol):
    """Starts a name server that answers so."""

    async def __call__(self, answering: Answering, port: int = 0) -> Liar: ...


@pytest.fixture
async def lie() -> AsyncIterator[Lie]:
    liars: list[Liar] = []

    async def start(answering: Answering, port: int = 0) -> Liar:
        loop = asyncio.get_running_loop()
        _, liar = await loop.create_datagram_endpoint(lambda: Liar(answering), ("127.0.0.1", port))
        liars.append(liar)
        return liar

    yield start
    for liar in liars:
        liar.transport.close()


def good(query: dns.message.Message, count: int = 1) -> dns.message.Message:
    response = dns.message.make_response(query)
    texts = [f"192.0.{number // 250}.{number % 250 + 1}" for number in range(count)]
    response.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "A", texts))
    return response


async def asking(engine: Engine, port: int, seconds: float = 5, **fields: Any) -> Observation:
    target = {"name": "a.example", "server": "127.0.0.1", "port": port, **fields}
    return await probe(DnsTarget.model_validate(target), timedelta(seconds=seconds), engine)


async def test_answers_to_other_questions_are_passed_over(engine: Engine, lie: Lie) -> None:
    def forged(query: dns.message.Message) -> list[bytes]:
        right = good(query).to_wire()
        wrong = good(query, 2)
        wrong.id = query.id ^ 1
        another = good(dns.message.make_query("b.example", "A", id=query.id)).to_wire()
        return [b"", b"\0", b"x" * 500, query.to_wire(), wrong.to_wire(), another, right]

    liar = await lie(forged)
    assert (await asking(engine, liar.port, expected=("192.0.0.1",), match="EQUALS")).outcome is Outcome.SUCCESS


async def test_a_flood_of_datagrams_ends_the_probe(engine: Engine, lie: Lie) -> None:
    liar = await lie(lambda _: [b"flood"] * 220)
    observation = await asking(engine, liar.port)
    assert observation.reason in (Reason.PROTOCOL, Reason.TIMEOUT)


async def test_an_answer_that_cannot_be_read_is_nonsense(engine: Engine, lie: Lie) -> None:
    def cut(query: dns.message.Message) -> list[bytes]:
        return [good(query).to_wire()[:-15]]

    observation = await asking(engine, (await lie(cut)).port)
    assert (observation.reason, observation.message) == (Reason.PROTOCOL, "the name server's answer cannot be read")


async def test_a_hundred_thousand_answers_are_not_read(engine: Engine, serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
        wire = bytearray(good(query, 3000).to_wire(max_size=65_535))
        struct.pack_into("!H", wire, 6, 65_535)
        writer.write(len(wire).to_bytes(2) + bytes(wire))

    observation = await asking(engine, await serve(talk), transport="TCP")
    assert observation.reason is Reason.BODY_LIMIT


async def test_a_truncated_answer_is_asked_for_over_tcp(engine: Engine, name_server: NameServer) -> None:
    name_server.records["a.example"] = {"A": [f"192.0.2.{number}" for number in range(1, 90)]}
    observation = await asking(engine, name_server.endpoint[1], expected=("192.0.2.89",))
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)
    assert name_server.asked["TCP"] == 1


async def test_a_lost_datagram_is_no_outage(engine: Engine, lie: Lie) -> None:
    lost: list[bool] = []

    def lossy(query: dns.message.Message) -> list[bytes]:
        lost.append(True)
        return [good(query).to_wire()] if len(lost) > 1 else []

    assert (await asking(engine, (await lie(lossy)).port)).outcome is Outcome.SUCCESS


async def test_a_name_server_that_takes_longer_than_a_second_is_waited_for(
    engine: Engine, name_server: NameServer
) -> None:
    name_server.records["a.example"] = {"A": ["192.0.2.1"]}
    name_server.delay_seconds["A"] = 1.3
    observation = await asking(engine, name_server.endpoint[1], seconds=8)
    assert (observation.outcome, observation.message) == (Outcome.SUCCESS, None)


async def test_a_silent_name_server_ends_at_the_timeout(engine: Engine, lie: Lie) -> None:
    observation = await asking(engine, (await lie(lambda _: [])).port, seconds=0.3)
    assert observation.message == "timed out after 0.3 s while waiting for the response"


async def test_a_closed_port_is_told(engine: Engine, unused_port: int) -> None:
    observation = await asking(engine, unused_port)
    assert observation.reason is Reason.CONNECT
    assert observation.message == f"127.0.0.1:{unused_port} refused the datagram: nobody listens there"


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x00\x05abc", b"\x00\x02ab", b"\xff\xff" + bytes(70_000)])
async def test_nonsense_over_tcp_is_told(engine: Engine, serve: Serve, said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)

    assert (await asking(engine, await serve(talk), transport="TCP")).reason is Reason.PROTOCOL
