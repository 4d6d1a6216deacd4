"""A question to a name server, over UDP, TCP, TLS or HTTPS, and the bytes of its answer."""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Final

from probes.engine import Engine
from probes.failures import ProbeFailure, TargetBlockedError
from probes.trace import Phase, Trace
from probes.wire.connection import ByteStream
from probes.wire.datagrams import Datagrams
from probes.wire.dialing import find_addresses
from probes.wire.dns_client import Nameserver
from probes.wire.dns_records import Question, answers, is_truncated
from probes.wire.http_requests import make_request
from probes.wire.http_transport import Call, Reply, exchange
from probes.wire.lines import LineReader
from probes.wire.routes import HTTP_2, Route, connect
from tocsin.domain.observations import Reason
from tocsin.domain.targets.dns import DnsTarget, DnsTransport

# A lost datagram is no outage: the question is asked again, and of the next name server where there are several. Each
# round has twice the patience of the one before, for those that are slow.
_PATIENCE_SECONDS: Final = 1.0
_MEDIA_TYPE: Final = b"application/dns-message"
_MAX_BYTES: Final = 65_535


async def ask(question: Question, target: DnsTarget, engine: Engine, trace: Trace) -> bytes:
    """The message that answers the question. Raises ProbeFailure."""
    match target.transport:
        case DnsTransport.UDP:
            wire = await _ask_by_udp(question, await _nameservers(target, engine, trace), engine, trace)
        case DnsTransport.TCP:
            address, port = (await _nameservers(target, engine, trace))[0]
            wire = await _ask_by_tcp(question, address, Route(), port, engine, trace)
        case DnsTransport.TLS:
            route = Route(target.tls, target.ip_family, alpn=())
            wire = await _ask_by_tcp(question, _server(target), route, target.endpoint_port, engine, trace, secure=True)
        case DnsTransport.HTTPS:
            wire = await _ask_by_https(question, target, engine, trace)
    if not answers(wire, question):
        raise ProbeFailure(Reason.PROTOCOL, "the name server's answer does not fit the question")
    return wire


def _server(target: DnsTarget) -> str:
    if target.server is None:
        raise RuntimeError("the model demands a server for this transport")
    return target.server


async def _nameservers(target: DnsTarget, engine: Engine, trace: Trace) -> Sequence[Nameserver]:
    """Those that may be asked, each by an address that the guard has judged: also the system's own."""
    if target.server is not None:
        port = target.endpoint_port
        found = await find_addresses(target.server, port, engine, trace, target.ip_family)
        return [(address, port) for address in found]
    allowed: list[Nameserver] = []
    refusals: list[ProbeFailure] = []
    for address, port in engine.resolver.nameservers():
        try:
            await find_addresses(address, target.port or port, engine, trace, target.ip_family)
            allowed.append((address, target.port or port))
        except ProbeFailure as exc:
            refusals.append(exc)
    if not allowed:
        raise _no_nameserver(refusals)
    return allowed


def _no_nameserver(refusals: Sequence[ProbeFailure]) -> ProbeFailure:
    if refusals and isinstance(refusals[0], TargetBlockedError):
        return TargetBlockedError(f"the system's name servers may not be probed; name a server ({refusals[0].message})")
    return ProbeFailure(Reason.DNS, "the system has no name server of this IP family; name a server")


async def _ask_by_udp(question: Question, nameservers: Sequence[Nameserver], engine: Engine, trace: Trace) -> bytes:
    """Ask one after the other until the deadline; one that refuses is asked no more."""
    trace.enter(Phase.PROCESSING)
    left = list(nameservers)
    for number, (address, port) in enumerate(cycle(nameservers)):
        if (address, port) not in left:
            continue
        trace.address = address
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS * 2 ** (number // len(nameservers))):
                wire = await _ask_one(question, address, port)
        except TimeoutError:
            continue
        except ProbeFailure:
            left.remove((address, port))
            if not left:
                raise
            continue
        if is_truncated(wire):
            return await _ask_by_tcp(question, address, Route(), port, engine, trace)
        return wire
    raise RuntimeError("there is always a name server to ask")


async def _ask_one(question: Question, address: str, port: int) -> bytes:
    with Datagrams(address, port) as datagrams:
        datagrams.send(question.to_wire())
        # What answers another question was guessed by somebody, and may be followed by the truth.
        while not answers(wire := await datagrams.receive(), question):
            continue
        return wire


async def _ask_by_tcp(
    question: Question, host: str, route: Route, port: int, engine: Engine, trace: Trace, *, secure: bool = False
) -> bytes:
    connection = await connect(host, port, route, engine, trace, secure=secure)
    try:
        trace.enter(Phase.PROCESSING)
        return await _converse(question, connection)
    finally:
        connection.abort()


async def _converse(question: Question, connection: ByteStream) -> bytes:
    wire = question.to_wire()
    connection.send(len(wire).to_bytes(2) + wire)
    reader = LineReader(connection)
    return await reader.exactly(int.from_bytes(await reader.exactly(2)))


async def _ask_by_https(question: Question, target: DnsTarget, engine: Engine, trace: Trace) -> bytes:
    """By POST and HTTP/2 (RFC 8484)."""
    host = _server(target)
    url = f"https://{f'[{host}]' if ':' in host else host}:{target.endpoint_port}{target.path}"
    headers = [(b"Content-Type", _MEDIA_TYPE), (b"Accept", _MEDIA_TYPE)]
    request = make_request("POST", url, headers, question.to_wire())
    reply = await exchange(Call.of(request, Route(target.tls, target.ip_family, HTTP_2)), engine, trace)
    try:
        return await _read_body(reply)
    finally:
        reply.body.close()


async def _read_body(reply: Reply) -> bytes:
    if reply.status_code != 200:
        raise ProbeFailure(Reason.STATUS, f"expected 200 over HTTPS, got {reply.status_code}")
    wire = b""
    while part := await reply.body.read_some():
        wire += part
        if len(wire) > _MAX_BYTES:
            raise ProbeFailure(Reason.BODY_LIMIT, "the answer over HTTPS is longer than a DNS message can be")
    return wire
