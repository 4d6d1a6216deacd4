"""The prober for name servers."""

import secrets
from ipaddress import ip_address

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.dns.judging import judge
from probes.kinds.dns.transports import ask
from probes.trace import Phase, Trace
from probes.wire.dns_records import (
    MAX_RECORDS,
    MalformedMessageError,
    Message,
    Question,
    TooManyRecordsError,
    read_message,
)
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.dns import DnsTarget, DnsTransport, as_address


async def probe_dns(target: DnsTarget, engine: Engine, trace: Trace) -> None:
    """Return if the name server answers as expected. Raises ProbeFailure if it does not."""
    question = _question(target)
    wire = await ask(question, target, engine, trace)
    trace.enter(Phase.TRANSFER)
    trace.facts[Source.SIZE] = len(wire)
    message = _read(wire, question)
    trace.facts[Source.STATUS] = message.code
    trace.facts[Source.RECORD] = tuple(record.text for record in message.answers)
    judge(message, target)


def _question(target: DnsTarget) -> Question:
    """Over HTTPS the number is 0, so that equal questions are equal requests (RFC 8484, section 4.1)."""
    number = 0 if target.transport is DnsTransport.HTTPS else secrets.randbelow(0x1_0000)
    address = as_address(target.name)
    name = target.name if address is None else ip_address(address).reverse_pointer
    return Question(number, name, target.record_type, target.recursion, target.edns_bytes)


def _read(wire: bytes, question: Question) -> Message:
    try:
        return read_message(wire, question)
    except TooManyRecordsError as exc:
        raise ProbeFailure(
            Reason.BODY_LIMIT, f"the answer has more records than the {MAX_RECORDS} of a section that are read"
        ) from exc
    except MalformedMessageError as exc:
        raise ProbeFailure(Reason.PROTOCOL, "the name server's answer cannot be read") from exc
