"""Whether an answer is as expected."""

from collections.abc import Iterable, Sequence

from probes.failures import ProbeFailure
from probes.wire.dns_records import TYPES, Message, Record
from probes.wire.lines import shown
from tocsin.domain.observations import Reason
from tocsin.domain.targets.dns import DnsCode, DnsTarget, RecordMatch, RecordType, as_address

_MOST_TOLD = 10


def judge(message: Message, target: DnsTarget) -> None:
    """Raise ProbeFailure for what is not as expected."""
    if message.code != target.rcode:
        raise ProbeFailure(Reason.STATUS, f"expected {target.rcode}, got {message.code}")
    if target.authoritative and not message.authoritative:
        raise ProbeFailure(Reason.ASSERTION, "the answer is not authoritative")
    _require_records(message, target)
    _require_authority(message, target)
    _require_ttl(message, target)


def _require_records(message: Message, target: DnsTarget) -> None:
    got = [record.text for record in message.answers]
    if not got and target.rcode is DnsCode.NOERROR and not target.authority:
        raise ProbeFailure(Reason.ASSERTION, f"the answer has no {target.record_type} record")
    expected = {plain(text, target.record_type) for text in target.expected}
    found = {plain(text, target.record_type) for text in got}
    if expected - found:
        raise ProbeFailure(Reason.ASSERTION, f"expected {_told(target.expected)} among {_told(got) or 'no records'}")
    if target.expected and target.match is RecordMatch.EQUALS and found - expected:
        raise ProbeFailure(Reason.ASSERTION, f"expected {_told(target.expected)} and no more, got {_told(got)}")


def _require_authority(message: Message, target: DnsTarget) -> None:
    names = {number: record_type for record_type, number in TYPES.items()}
    found = {plain(record.text, names[record.type]) for record in message.authority}
    if missing := [text for text in target.authority if not found & _forms(text)]:
        got = _told(record.text for record in message.authority) or "no records"
        raise ProbeFailure(Reason.ASSERTION, f"expected {_told(missing)} in the authority section, got {got}")


def _forms(text: str) -> set[str]:
    """The expected record as each type reads it: the section may hold any."""
    return {plain(text, record_type) for record_type in RecordType}


def _require_ttl(message: Message, target: DnsTarget) -> None:
    ttls = [record.ttl_seconds for record in _judged(message)]
    least, most = target.minimum_ttl_seconds, target.maximum_ttl_seconds
    if ttls and least is not None and min(ttls) < least:
        raise ProbeFailure(Reason.ASSERTION, f"expected a TTL of at least {least} s, got {min(ttls)} s")
    if ttls and most is not None and max(ttls) > most:
        raise ProbeFailure(Reason.ASSERTION, f"expected a TTL of at most {most} s, got {max(ttls)} s")


def _judged(message: Message) -> Sequence[Record]:
    return message.answers or message.authority


def plain(text: str, record_type: RecordType) -> str:
    """The record in the one form that is compared: however it is written, equal records are equal."""
    if record_type is RecordType.TXT:
        return text
    if record_type is RecordType.CAA:
        return " ".join(text.replace('"', "").split())
    words = (as_address(word) or word.lower() for word in text.split())
    return " ".join(word.removesuffix(".") or "." for word in words)


def _told(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = f" and {len(listed) - _MOST_TOLD} more" if len(listed) > _MOST_TOLD else ""
    return ", ".join(shown(text.encode("utf-8", "replace")) for text in listed[:_MOST_TOLD]) + more
