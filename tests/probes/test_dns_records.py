"""DNS messages are read as another implementation writes them, and hostile ones in bounded time."""

import struct
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire.dns_names import encode_name, read_name
from probes.wire.dns_records import (
    MalformedMessageError,
    Question,
    TooManyRecordsError,
    answers,
    is_truncated,
    read_message,
)
from tocsin.domain.targets.dns import RecordType

TEXTS = {
    RecordType.A: "192.0.2.1",
    RecordType.AAAA: "2001:db8::1",
    RecordType.CNAME: "other.example",
    RecordType.MX: "10 mail.example.com",
    RecordType.NS: "ns1.example.com",
    RecordType.PTR: "host.example.com",
    RecordType.SOA: "ns1.example.com hostmaster.example.com 2026 3600 600 604800 300",
    RecordType.SRV: "10 60 5060 sip.example.com",
    RecordType.CAA: '0 issue "ca.example"',
}


def asked(record_type: RecordType = RecordType.A, name: str = "www.example.com") -> Question:
    return Question(7, name, record_type, edns_bytes=1232)


def answer_to(question: Question, *texts: str, ttl: int = 60) -> dns.message.Message:
    response = dns.message.make_response(dns.message.from_wire(question.to_wire()))
    if texts:
        kind = question.record_type.value
        response.answer.append(dns.rrset.from_text_list(f"{question.name}.", ttl, "IN", kind, texts))
    return response


@pytest.mark.parametrize(("record_type", "text"), TEXTS.items())
def test_a_record_is_read_in_presentation_format(record_type: RecordType, text: str) -> None:
    question = asked(record_type)
    message = read_message(answer_to(question, _written(record_type), ttl=300).to_wire(), question)
    assert [(record.text, record.ttl_seconds) for record in message.answers] == [(text, 300)]


def _written(record_type: RecordType) -> str:
    """With a dot behind each name, as the other implementation wants it."""
    text = TEXTS[record_type]
    if record_type in (RecordType.A, RecordType.AAAA, RecordType.CAA):
        return text
    return " ".join(f"{word}." if not word.isdigit() else word for word in text.split())


def test_the_strings_of_a_text_are_joined() -> None:
    question = asked(RecordType.TXT)
    message = read_message(answer_to(question, '"v=DKIM1; p=" "abc\\"\\195\\169"').to_wire(), question)
    assert message.answers[0].text == 'v=DKIM1; p=abc"é'


def test_the_question_is_written_as_it_is_read_elsewhere() -> None:
    query = dns.message.from_wire(Question(9, "a.example", RecordType.CAA, recursion=False, edns_bytes=1232).to_wire())
    assert (query.id, query.flags, query.payload) == (9, 0, 1232)
    assert query.question[0].to_text() == "a.example. IN CAA"
    assert dns.message.from_wire(Question(9, ".", RecordType.NS).to_wire()).question[0].to_text() == ". IN NS"


def test_what_the_header_says_is_read() -> None:
    question = asked()
    response = answer_to(question)
    response.flags |= dns.flags.AA | dns.flags.TC
    response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(dns.rrset.from_text("example.com.", 5, "IN", "SOA", "a. b. 1 2 3 4 5"))
    wire = response.to_wire()
    message = read_message(wire, question)
    assert (message.code, message.authoritative, is_truncated(wire)) == ("NXDOMAIN", True, True)
    assert [record.text for record in message.authority] == ["a b 1 2 3 4 5"]


@pytest.mark.parametrize(
    "other", [Question(8, "www.example.com", RecordType.A), asked(RecordType.AAAA), asked(name="www.example.org")]
)
def test_an_answer_to_another_question_is_none(other: Question) -> None:
    assert not answers(answer_to(other).to_wire(), asked())
    assert answers(answer_to(asked(name="WWW.example.COM")).to_wire(), asked())
    assert not answers(asked().to_wire(), asked())


def _message(answered: int, body: bytes, question: Question) -> bytes:
    return struct.pack("!HHHHHH", question.id, 0x8180, 1, answered, 0, 0) + question.section + body


def _hostile() -> dict[str, bytes]:
    question = asked(RecordType.CNAME)
    start = len(_message(0, b"", question)) + 11
    to_itself = struct.pack("!H", 0xC000 | start)
    head = struct.pack("!HHIH", 5, 1, 60, 2)
    each_other = struct.pack("!HH", 0xC000 | start + 2, 0xC000 | start)
    chain = b"".join(struct.pack("!H", 0xC000 | start + 2 * place + 2) for place in range(8000))
    return {
        "a pointer to itself": _message(1, b"\0" + head + to_itself, question),
        "pointers to each other": _message(1, b"\0" + head + each_other, question),
        "a chain of pointers": _message(1, b"\0" + head + chain, question),
        "a pointer beyond the end": _message(1, b"\0" + head + b"\xff\xff", question),
        "a reserved label in a name": _message(1, b"\0" + head + b"\x80a", question),
        "an endless name": _message(1, b"\x3f" + b"a" * 63 + b"\x3f" * 60_000, question),
        "a reserved label": _message(1, b"\x80" + head, question),
        "a record that is cut off": _message(1, b"\0" + struct.pack("!HHIH", 5, 1, 60, 500) + b"\x01", question),
        "no record at all": _message(1, b"", question),
    }


@pytest.mark.parametrize(("trick", "wire"), _hostile().items())
def test_a_hostile_message_is_refused(trick: str, wire: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        read_message(wire, asked(RecordType.CNAME))


@pytest.mark.parametrize("announced", [600, 65_535])
def test_an_answer_of_too_many_records_is_not_read(announced: int) -> None:
    with pytest.raises(TooManyRecordsError):
        read_message(_message(announced, b"", asked()), asked())


def test_the_dearest_answer_that_is_read_takes_milliseconds() -> None:
    question = asked(RecordType.SOA)
    name = b"\x01a" * 100
    base = len(_message(0, b"", question))
    content = name + b"\0" + struct.pack("!H", 0xC000 | base + 11) + bytes(20)
    record = b"\0" + struct.pack("!HHIH", 6, 1, 60, len(content)) + content
    wire = _message(100, record * 100, question)
    began_at = time.process_time()
    assert len(read_message(wire, question).answers) == 100
    assert time.process_time() - began_at < 0.2


@given(st.binary(max_size=600))
def test_any_bytes_are_a_message_or_refused(body: bytes) -> None:
    for wire in (body, _message(3, body, asked(RecordType.SOA))):
        answers(wire, asked(RecordType.SOA))
        try:
            read_message(wire, asked(RecordType.SOA))
        except (MalformedMessageError, TooManyRecordsError):
            continue


@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_a_damaged_message_is_a_message_or_refused(record_type: RecordType, data: st.DataObject) -> None:
    question = asked(record_type)
    wire = bytearray(answer_to(question, _written(record_type)).to_wire())
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = read_message(bytes(wire), question)
    except (MalformedMessageError, TooManyRecordsError):
        return
    assert all("\0" not in record.text for record in message.answers)


@given(st.lists(st.text("abc-_09", min_size=1, max_size=63), max_size=4))
def test_a_name_is_read_as_it_is_written(labels: list[str]) -> None:
    name = ".".join(labels) or "."
    assert read_name(encode_name(name), 0)[0] == name
