"""TCP ports: banners, conversations in steps, TLS, and servers that never say what is expected."""

import asyncio
from asyncio import StreamReader, StreamWriter
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.kinds.tcp import probe_tcp
from probes.redaction import Redaction
from probes.runner import probe
from probes.trace import Trace
from probes.wire.tls_contexts import TlsContexts
from tests.probes.certificates import Authority
from tests.probes.conftest import STARTED_AT
from tests.probes.serving import Serve, Talk
from tocsin.domain.facts import Source
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.tcp import TcpTarget


class Tcp(Protocol):
    """Probes a port that talks so."""

    async def __call__(self, talk: Talk, *steps: dict[str, Any], **fields: Any) -> Observation: ...


@pytest.fixture
def tcp(serve: Serve, engine: Engine) -> Tcp:
    async def observe(talk: Talk, *steps: dict[str, Any], **fields: Any) -> Observation:
        timeout = timedelta(seconds=fields.pop("timeout_seconds", 5))
        used = fields.pop("engine", engine)
        port = await serve(talk, fields.pop("server_tls", None))
        return await probe(TcpTarget(host="127.0.0.1", port=port, steps=steps, **fields), timeout, used)

    return observe


def saying(*parts: bytes, stay: bool = True) -> Talk:
    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.002)
        if stay:
            await reader.read()

    return talk


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(b"you said " + data)


@pytest.mark.proves("tcp", "banner")
async def test_a_banner_is_awaited_before_anything_is_sent(tcp: Tcp) -> None:
    observation = await tcp(saying(b"220 mail ESM", b"TP\r\n"), {"expect": "220 mail ESMTP"})
    assert observation.outcome is Outcome.SUCCESS
    assert observation.phases.processing


@pytest.mark.proves("tcp", "text")
async def test_text_is_sent_and_expected_with_escapes(tcp: Tcp) -> None:
    steps = ({"send": r"PING\r\n\x01é\\", "expect": r"said PING\r\n\x01é\\"}, {"send": "b", "expect": "said b"})
    assert (await tcp(echo, *steps)).outcome is Outcome.SUCCESS


@pytest.mark.proves("tcp", "hex")
async def test_bytes_are_sent_and_expected_in_hexadecimal(tcp: Tcp) -> None:
    step = {"send": "ff 00 0A", "send_as": "HEX", "expect": "20FF000a", "expect_as": "HEX"}
    assert (await tcp(echo, step)).outcome is Outcome.SUCCESS


@pytest.mark.proves("tcp", "pattern")
async def test_a_pattern_is_expected(tcp: Tcp) -> None:
    step = {"expect": r"^SSH-2\.0-\S+", "expect_as": "PATTERN"}
    assert (await tcp(saying(b"SSH-", b"2.0-x\r\n"), step)).outcome is Outcome.SUCCESS
    observation = await tcp(saying(b"SSH-1.99-x\r\n", stay=False), step)
    assert observation.reason is Reason.ASSERTION
    assert observation.message == "step 1: the server closed the connection after 12 bytes without what is expected"


async def test_a_step_looks_behind_what_the_one_before_it_found(tcp: Tcp) -> None:
    again = ({"expect": "ready"}, {"expect": "ready"})
    assert (await tcp(saying(b"ready set ready"), *again)).outcome is Outcome.SUCCESS
    assert (await tcp(saying(b"ready", stay=False), *again)).reason is Reason.ASSERTION


async def test_what_came_instead_is_told_at_the_timeout(tcp: Tcp) -> None:
    steps = ({"expect": "STAT"}, {"expect": "VERSION 9"})
    observation = await tcp(saying(b"STAT\r\nVERSION\t1.6\x00\r\nOK\r\n"), *steps, timeout_seconds=0.5)
    assert observation.reason is Reason.ASSERTION
    said = r'"VERSION\t1.6\x00\nOK"'
    assert observation.message == f'step 2: expected "VERSION 9" within 0.5 s, got 20 bytes: {said}'


async def test_a_server_that_says_nothing_times_out(tcp: Tcp) -> None:
    observation = await tcp(saying(b"ready"), {"expect": "ready"}, {"expect": "set"}, timeout_seconds=0.5)
    assert (observation.reason, observation.message) == (Reason.TIMEOUT, "step 2: nothing came within 0.5 s")


async def test_no_part_of_a_secret_is_told_of_what_came(serve: Serve, engine: Engine) -> None:
    for before in (0, 110, 118, 125):
        port = await serve(saying(b"x" * before + b"sword\r\nfish" * 20))
        steps = ({"send": "sword\r\nfish", "expect": "welcome"},)
        target = TcpTarget.model_validate({"host": "127.0.0.1", "port": port, "steps": steps})
        observation = await probe(target, timedelta(seconds=0.3), engine, Redaction(["sword\r\nfish"]))
        assert observation.reason is Reason.ASSERTION
        assert "sw" not in str(observation.message)


async def test_cancelling_a_probe_that_waits_cancels_it(serve: Serve, engine: Engine) -> None:
    port = await serve(saying(b"HELLO"))
    target = TcpTarget.model_validate({"host": "127.0.0.1", "port": port, "steps": [{"expect": "hello"}]})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(probe(target, timedelta(seconds=60), engine), 0.3)


@pytest.mark.parametrize(("fields", "limit"), [({}, "64 KiB"), ({"expect_as": "PATTERN"}, "4 KiB")])
async def test_an_endless_stream_is_read_to_its_limit(tcp: Tcp, fields: dict[str, str], limit: str) -> None:
    async def endless(reader: StreamReader, writer: StreamWriter) -> None:
        while True:
            writer.write(b"xy" * 10_000)
            await writer.drain()

    observation = await tcp(endless, {"expect": "[xy]*x[xy]{100}z", **fields})
    assert observation.reason is Reason.BODY_LIMIT
    assert observation.message == f"step 1: the first {limit} do not hold what is expected"


async def test_a_stream_of_single_bytes_ends_at_the_timeout(tcp: Tcp) -> None:
    async def drip(reader: StreamReader, writer: StreamWriter) -> None:
        while True:
            writer.write(b"\0")
            await asyncio.sleep(0.001)

    observation = await tcp(drip, {"expect": "x", "expect_as": "PATTERN"}, timeout_seconds=0.3)
    assert observation.reason is Reason.ASSERTION


async def test_a_connection_that_breaks_is_told(tcp: Tcp) -> None:
    async def reset(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    observation = await tcp(reset, {"send": "a lot", "expect": "x"})
    assert observation.reason in (Reason.PROTOCOL, Reason.ASSERTION)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def trusting(authority: Authority) -> Engine:
    return Engine(EgressPolicy(allow_private=True), now=lambda: STARTED_AT, tls_contexts=TlsContexts(authority.ca_file))


@pytest.mark.proves("tcp", "TLS")
async def test_a_conversation_goes_through_tls(tcp: Tcp, authority: Authority, trusting: Engine) -> None:
    tls = authority.server_context()
    observation = await tcp(echo, {"send": "a", "expect": "said a"}, tls={}, engine=trusting, server_tls=tls)
    assert (observation.outcome, observation.tls_verified) == (Outcome.SUCCESS, True)


async def test_the_certificate_is_for_the_name_that_is_given(tcp: Tcp, authority: Authority, trusting: Engine) -> None:
    tls = authority.server_context("mail.example")
    right = await tcp(echo, tls={"server_name": "mail.example"}, engine=trusting, server_tls=tls)
    assert right.outcome is Outcome.SUCCESS
    assert (await tcp(echo, tls={}, engine=trusting, server_tls=tls)).reason is Reason.TLS


@pytest.mark.proves("tcp", "STARTTLS")
async def test_a_conversation_goes_on_after_starttls(tcp: Tcp, authority: Authority, trusting: Engine) -> None:
    async def pop3(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"+OK in clear\r\n")
        assert await reader.readline() == b"STLS\r\n"
        writer.write(b"+OK begin\r\n+OK injected\r\n")
        await writer.start_tls(authority.server_context())
        await echo(reader, writer)

    steps = ({"send": "CAPA", "expect": "you said CAPA"},)
    observation = await tcp(pop3, *steps, starttls="POP3", engine=trusting)
    assert (observation.outcome, observation.tls_version) == (Outcome.SUCCESS, "TLSv1.3")
    injected = await tcp(pop3, {"expect": "injected"}, starttls="POP3", engine=trusting, timeout_seconds=0.5)
    assert injected.reason is Reason.TIMEOUT


async def test_an_address_of_another_family_is_not_probed(tcp: Tcp) -> None:
    observation = await tcp(echo, ip_family="IPV6")
    assert observation.reason is Reason.DNS


async def test_what_came_is_kept_as_facts(serve: Serve, engine: Engine) -> None:
    port = await serve(saying(b"caf\xc3\xa9\0\xff!"))
    trace = Trace(timedelta(seconds=5))
    await probe_tcp(TcpTarget(host="127.0.0.1", port=port, steps=({"expect": "!"},)), engine, trace)
    assert trace.facts[Source.BODY] == "café\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}!"
    assert trace.facts[Source.SIZE] == 8
