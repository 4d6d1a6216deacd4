"""DNS messages, checked against another implementation and against noise."""

import time

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire.dns_messages import MAX_ADDRESSES, Query, RecordType, read_answer

QUERY = Query(0x1234, "a.example", RecordType.A)


def response(*rrsets: dns.rrset.RRset) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(QUERY.to_wire()))
    message.answer.extend(rrsets)
    return message.to_wire(max_size=65_535)


def test_a_query_reads_as_one_elsewhere() -> None:
    query = dns.message.from_wire(Query(7, "a.example", RecordType.AAAA).to_wire())
    assert query.question[0].to_text() == "a.example. IN AAAA"
    assert query.id == 7


def test_the_smallest_time_to_live_counts() -> None:
    alias = dns.rrset.from_text("a.example.", 20, "IN", "CNAME", "b.example.")
    address = dns.rrset.from_text("b.example.", 300, "IN", "A", "1.1.1.1")
    answer = read_answer(response(alias, address), QUERY)
    assert answer is not None
    assert (answer.addresses, answer.ttl_seconds) == (("1.1.1.1",), 20)


def test_other_records_are_skipped() -> None:
    text = dns.rrset.from_text("a.example.", 60, "IN", "TXT", '"1.1.1.1"')
    other_family = dns.rrset.from_text("a.example.", 60, "IN", "AAAA", "::1")
    answer = read_answer(response(text, other_family), QUERY)
    assert answer is not None
    assert answer.addresses == ()


def test_the_largest_answer_is_read_in_little_time() -> None:
    addresses = [f"10.{number >> 8}.{number & 255}.1" for number in range(4000)]
    wire = response(dns.rrset.from_text_list("a.example.", 60, "IN", "A", addresses))
    began_at = time.perf_counter()
    answer = read_answer(wire, QUERY)
    assert time.perf_counter() - began_at < 0.02
    assert answer is not None
    assert len(answer.addresses) == MAX_ADDRESSES


@pytest.mark.parametrize("pointer", [b"\xc0\x0c", b"\xc0\x21", b"\xff\xff"])
def test_names_that_point_at_themselves_end(pointer: bytes) -> None:
    head = response()[:33].replace(b"\0\x01\0\0\0\0\0\0", b"\0\x01\0\x01\0\0\0\0", 1)
    read_answer(head + pointer + b"\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x01\x01\x01", QUERY)


@given(st.binary(max_size=200))
def test_noise_is_no_answer(noise: bytes) -> None:
    assert read_answer(noise, QUERY) is None


@given(st.data())
def test_a_damaged_answer_never_raises(data: st.DataObject) -> None:
    alias = dns.rrset.from_text("a.example.", 20, "IN", "CNAME", "b.example.")
    address = dns.rrset.from_text("b.example.", 300, "IN", "A", "1.1.1.1")
    wire = bytearray(response(alias, address))
    for position in data.draw(st.lists(st.integers(0, len(wire) - 1), max_size=5)):
        wire[position] = data.draw(st.integers(0, 255))
    read_answer(bytes(wire[: data.draw(st.integers(0, len(wire)))]), QUERY)
