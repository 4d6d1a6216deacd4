"""A name server on loopback, whose messages another implementation writes than the one under test."""

import asyncio
from collections import Counter
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from probes.wire.dns_client import Nameserver

Answers = dict[str, dict[str, list[str]]]
"""Records by name and type: {"example.com": {"A": ["192.0.2.1"]}}."""


class NameServer(asyncio.DatagramProtocol):
    """Answers what `records` says, NXDOMAIN for names that it does not have, and SERVFAIL or nothing on request.

    `before` may add datagrams that are sent ahead of each answer, `delay_seconds` holds back a type of record.
    """

    def __init__(self) -> None:
        self.records: Answers = {}
        self.ttl_seconds = 60
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.delay_seconds: dict[str, float] = {}
        self.before: Callable[[dns.message.Message], list[bytes]] = lambda _: []
        self.udp_bytes = 512
        self.asked: Counter[str] = Counter()
        self.ids: list[int] = []
        self.endpoint: Nameserver

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.endpoint = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name, kind = self._question(query)
        self.ids.append(query.id)
        self.asked[f"{name} {kind}"] += 1
        if name not in self.silent:
            loop = asyncio.get_running_loop()
            loop.call_later(self.delay_seconds.get(kind, 0), self._answer_datagram, query, addr)

    def close(self) -> None:
        self._transport.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A conversation over TCP."""
        query = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
        self.asked["TCP"] += 1
        wire = self._answer(query).to_wire(max_size=65_535)
        writer.write(len(wire).to_bytes(2) + wire)

    def _answer_datagram(self, query: dns.message.Message, addr: tuple[str, int]) -> None:
        for datagram in self.before(query):
            self._transport.sendto(datagram, addr)
        answer = self._answer(query)
        if len(answer.to_wire(max_size=65_535)) > self.udp_bytes:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
        self._transport.sendto(answer.to_wire(), addr)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        name, kind = self._question(query)
        answer = dns.message.make_response(query)
        if name in self.broken or f"{name} {kind}" in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._add(answer, name, kind)
        return answer

    def _add(self, answer: dns.message.Message, name: str, kind: str) -> None:
        records = self.records.get(name, {})
        for record_type in ("CNAME", kind):
            if texts := records.get(record_type):
                answer.answer.append(dns.rrset.from_text_list(f"{name}.", self.ttl_seconds, "IN", record_type, texts))
        for alias in records.get("CNAME", []):
            self._add(answer, alias.removesuffix("."), kind)

    def _question(self, query: dns.message.Message) -> tuple[str, str]:
        question = query.question[0]
        return question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
