"""The response parser, over any body, any framing and any way to split them."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.failures import ProbeFailure
from probes.wire.http_messages import ResponseParser, serialize_request
from tocsin.domain.observations import Reason

OK = b"HTTP/1.1 200 OK\r\nServer: x\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

Frame = Callable[[list[bytes]], bytes]

bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def with_length(parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(parts: list[bytes]) -> bytes:
    chunks = b"".join(b"%x;e=1\r\n%b\r\n" % (len(part), part) for part in parts)
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: t\r\n\r\n"


def until_close(parts: list[bytes]) -> bytes:
    return OK + b"\r\n" + b"".join(parts)


def split(data: st.DataObject, wire: bytes) -> list[bytes]:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(wire) - 1)), max_size=12)))
    return [wire[begin:end] for begin, end in pairwise([0, *cuts, len(wire)])]


def parse(pieces: list[bytes]) -> tuple[ResponseParser, bytes]:
    parser = ResponseParser(has_body=True)
    body = b""
    for piece in pieces:
        parser.feed(piece)
        body += parser.take_body()
    return parser, body


@pytest.mark.parametrize("frame", [with_length, chunked, until_close])
@given(data=st.data(), parts=bodies, interims=st.integers(0, 3))
def test_a_body_arrives_whole_however_it_is_framed_and_split(
    frame: Frame, data: st.DataObject, parts: list[bytes], interims: int
) -> None:
    parser, body = parse(split(data, INTERIM * interims + frame(parts)))
    assert parser.complete is (frame is not until_close)
    parser.feed_end()
    assert (parser.status_code, body, parser.complete) == (200, b"".join(parts), True)
    assert (b"Server", b"x") in parser.headers
    assert (b"Link", b"</a>") not in parser.headers


@pytest.mark.parametrize("frame", [with_length, chunked])
@given(data=st.data(), parts=bodies)
def test_a_response_that_is_cut_off_is_never_taken_for_whole(
    frame: Frame, data: st.DataObject, parts: list[bytes]
) -> None:
    wire = frame(parts)
    parser, body = parse([wire[: data.draw(st.integers(0, len(wire) - 1))]])
    assert not parser.complete
    assert b"".join(parts).startswith(body)
    with pytest.raises(ProbeFailure) as caught:
        parser.feed_end()
    assert caught.value.reason is Reason.PROTOCOL


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_noise_raises_nothing_but_failures(pieces: list[bytes]) -> None:
    parser = ResponseParser(has_body=True)
    with suppress(ProbeFailure):
        for piece in pieces:
            parser.feed(piece)
        parser.feed_end()


@given(data=st.data(), parts=bodies)
def test_a_damaged_response_raises_nothing_but_failures(data: st.DataObject, parts: list[bytes]) -> None:
    wire = bytearray(chunked(parts))
    for position in data.draw(st.lists(st.integers(0, len(wire) - 1), max_size=4)):
        wire[position] = data.draw(st.integers(0, 255))
    parser = ResponseParser(has_body=True)
    with suppress(ProbeFailure):
        for piece in split(data, bytes(wire)):
            parser.feed(piece)
        parser.feed_end()


def test_a_request_is_written_with_its_target_headers_and_body() -> None:
    request = httpx.Request("POST", "http://example.com:8080/a?b=c#d", headers={"X-A": "1"}, content=b"hi")
    assert serialize_request(request) == (
        b"POST /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi"
    )


@pytest.mark.parametrize("count", [1000, 1001])
def test_a_head_has_a_thousand_headers_at_most(count: int) -> None:
    parser = ResponseParser(has_body=True)
    with pytest.raises(ProbeFailure) if count > 1000 else nullcontext():
        parser.feed(b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * count + b"\r\n")
    assert len(parser.headers) == count


def test_what_follows_an_upgrade_is_kept_for_the_other_protocol() -> None:
    parser = ResponseParser(has_body=True)
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    parser.feed(head + b"\x81\x00")
    parser.feed(b"\x89\x00")
    assert (parser.complete, parser.upgraded) == (True, b"\x81\x00\x89\x00")
