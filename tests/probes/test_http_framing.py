"""Where a response ends, in every way HTTP/1.1 knows."""

import pytest

from tests.probes.serving import Observe, ServeBytes
from tocsin.domain.observations import Outcome, Reason

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_a_body_of_known_length_ends_there_though_the_connection_stays_open(
    serve_bytes: ServeBytes, observe: Observe
) -> None:
    url = await serve_bytes(OK + b"Content-Length: 5\r\n\r\nhello", stay=True)
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS


async def test_a_chunked_body_ends_with_its_last_chunk(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(CHUNKED + b"3\r\nhel\r\n2;note=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n", stay=True)
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS


async def test_a_body_without_length_ends_with_the_connection(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(OK + b"\r\nhel", b"lo")
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS


async def test_a_response_of_http_1_0_ends_with_the_connection(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    ("method", "response"),
    [
        ("HEAD", OK + b"Content-Length: 5\r\n\r\n"),
        ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", OK + b"Content-Length: 0\r\n\r\n"),
    ],
)
async def test_what_has_no_body_ends_with_its_head(
    serve_bytes: ServeBytes, observe: Observe, method: str, response: bytes
) -> None:
    url = await serve_bytes(response, stay=True)
    assert (await observe(url, method=method, expected_status=["200-399"])).outcome is Outcome.SUCCESS


async def test_interim_responses_are_skipped(serve_bytes: ServeBytes, observe: Observe) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLocation: /elsewhere\r\n\r\n"
    url = await serve_bytes(b"HTTP/1.1 100 Continue\r\n\r\n", hints + hints, OK + b"Content-Length: 0\r\n\r\n")
    assert (await observe(url)).status_code == 200


async def test_a_switch_of_protocols_is_a_response_like_any_other(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", stay=True)
    assert (await observe(url, expected_status=["101"])).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    "response",
    [
        OK + b"Server: x\r\nContent-Length: 5\r\n\r\nhello",
        CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\nhello",
    ],
)
async def test_a_response_may_come_byte_by_byte(serve_bytes: ServeBytes, observe: Observe, response: bytes) -> None:
    url = await serve_bytes(*(bytes((byte,)) for byte in response))
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS


async def test_what_follows_the_announced_length_is_not_read(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(OK + b"Content-Length: 3\r\n\r\nhello")
    observation = await observe(url, body_contains="hello")
    assert (observation.reason, observation.message) == (
        Reason.ASSERTION,
        "the body does not contain the expected text (read 3 bytes)",
    )


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"", "the server closed the connection without a response"),
        (b"HTTP/1.1 200", "the server closed the connection in the middle of the head of its response"),
        (OK + b"Server: x\r\n", "the server closed the connection in the middle of the head of its response"),
        (OK + b"Content-Length: 9\r\n\r\nhello", "the server closed the connection in the middle of the body"),
        (CHUNKED + b"3\r\nhel\r\n", "the server closed the connection in the middle of the body"),
        (CHUNKED + b"5\r\nhel", "the server closed the connection in the middle of the body"),
    ],
)
async def test_a_response_that_is_cut_off_breaks_the_protocol(
    serve_bytes: ServeBytes, observe: Observe, response: bytes, message: str
) -> None:
    observation = await observe(await serve_bytes(response))
    assert (observation.reason, observation.message) == (Reason.PROTOCOL, message)


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"HTTP/1.1 OK\r\n\r\n",
        OK + b"Content-Length: five\r\n\r\nhello",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nhello",
        CHUNKED + b"zz\r\nhello\r\n",
    ],
)
async def test_what_is_not_http_breaks_the_protocol(serve_bytes: ServeBytes, observe: Observe, response: bytes) -> None:
    observation = await observe(await serve_bytes(response, stay=True))
    assert observation.reason is Reason.PROTOCOL
    assert observation.message is not None
    assert observation.message.startswith("the response is not valid HTTP/1.1: ")


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        OK + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello\r\n\r\nmore",
        CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_what_browsers_forgive_is_forgiven(serve_bytes: ServeBytes, observe: Observe, response: bytes) -> None:
    url = await serve_bytes(response, stay=True)
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS
