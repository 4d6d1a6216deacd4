"""What makes an HTTP probe succeed or fail, and what it sends and tells."""

import asyncio
import gzip
import socket
import struct
import zlib
from datetime import timedelta

import pytest

import probes.kinds.http.prober
from probes.engine import Engine
from probes.kinds.http.prober import make_call
from probes.runner import probe
from probes.wire.http_messages import MAX_HEAD_BYTES
from tests.probes.conftest import STARTED_AT
from tests.probes.serving import Observe, Serve, ServeBytes, read_request
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.domain.targets.http import HttpTarget
from tocsin.domain.targets.http_fields import HttpHeader

MAXIMUM_BODY_BYTES = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"


def verdict(observation: Observation) -> tuple[Reason | None, str | None]:
    return observation.reason, observation.message


async def test_a_success_tells_status_address_and_phases(serve_bytes: ServeBytes, observe: Observe) -> None:
    observation = await observe(await serve_bytes(OK + b"Content-Length: 2\r\n\r\nok"))
    assert (observation.outcome, observation.status_code, observation.address) == (Outcome.SUCCESS, 200, "127.0.0.1")
    phases = observation.phases
    assert phases.connect
    assert phases.processing
    assert phases.transfer
    assert phases.connect + phases.processing + phases.transfer <= observation.duration


async def test_an_address_needs_no_resolving_and_http_no_tls(serve_bytes: ServeBytes, observe: Observe) -> None:
    observation = await observe(await serve_bytes(EMPTY))
    assert (observation.phases.resolve, observation.phases.tls, observation.tls_version) == (None, None, None)


async def test_an_observation_starts_on_the_clock_of_the_engine(serve_bytes: ServeBytes, observe: Observe) -> None:
    assert (await observe(await serve_bytes(EMPTY))).started_at == STARTED_AT


async def test_an_unexpected_status_fails_and_names_both(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    observation = await observe(url, expected_status=["200-299", "304"])
    assert verdict(observation) == (Reason.STATUS, "expected 200-299, 304, got 503")
    assert (observation.outcome, observation.status_code) == (Outcome.FAILURE, 503)


async def test_a_missing_text_fails_without_telling_the_body(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(OK + b"\r\nsomething else")
    message = "the body does not contain the expected text (read 14 bytes)"
    assert verdict(await observe(url, body_contains="hello")) == (Reason.ASSERTION, message)


async def test_a_text_is_found_across_reads(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(OK + b"\r\n", *(bytes((byte,)) for byte in "..héllo..".encode()))
    assert (await observe(url, body_contains="héllo")).outcome is Outcome.SUCCESS


async def test_a_text_is_looked_for_in_the_character_set_of_the_body(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(OK + b"Content-Type: text/html; charset=latin-1\r\n\r\n" + "grün".encode("latin-1"))
    assert (await observe(url, body_contains="grün")).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(("encoding", "encode"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
async def test_a_body_that_is_compressed_unasked_is_still_searched(
    serve_bytes: ServeBytes, observe: Observe, encoding: bytes, encode: type[bytes]
) -> None:
    url = await serve_bytes(OK + b"Content-Encoding: " + encoding + b"\r\n\r\n", encode(b"hello"))
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS


async def test_a_compressed_bomb_is_read_to_the_limit_alone(serve_bytes: ServeBytes, observe: Observe) -> None:
    bomb = gzip.compress(bytes(64 * MAXIMUM_BODY_BYTES))
    url = await serve_bytes(OK + b"Content-Encoding: gzip\r\n\r\n", bomb)
    message = "the first 1024 KiB of the body do not contain the expected text"
    assert verdict(await observe(url, body_contains="hello")) == (Reason.BODY_LIMIT, message)


@pytest.mark.parametrize(("encoding", "reason"), [(b"br", Reason.ASSERTION), (b"gzip", Reason.PROTOCOL)])
async def test_a_body_that_cannot_be_decoded_is_said_plainly(
    serve_bytes: ServeBytes, observe: Observe, encoding: bytes, reason: Reason
) -> None:
    url = await serve_bytes(OK + b"Content-Encoding: " + encoding + b"\r\n\r\nhello")
    assert (await observe(url, body_contains="hello")).reason is reason


@pytest.mark.parametrize(
    ("before", "reason"), [(MAXIMUM_BODY_BYTES - 5, None), (MAXIMUM_BODY_BYTES - 4, Reason.BODY_LIMIT)]
)
async def test_a_text_must_end_within_the_limit(
    serve_bytes: ServeBytes, observe: Observe, before: int, reason: Reason | None
) -> None:
    url = await serve_bytes(OK + b"\r\n", bytes(before) + b"hello" + bytes(99))
    assert (await observe(url, body_contains="hello")).reason is reason


async def test_an_endless_body_without_the_text_hits_the_limit(serve: Serve, observe: Observe) -> None:
    url = f"http://127.0.0.1:{await serve(_endless_body)}/"
    assert (await observe(url, body_contains="hello")).reason is Reason.BODY_LIMIT


async def test_an_endless_body_that_nobody_searches_is_judged_by_its_status(serve: Serve, observe: Observe) -> None:
    url = f"http://127.0.0.1:{await serve(_endless_body)}/"
    assert (await observe(url)).outcome is Outcome.SUCCESS


async def test_an_endless_head_hits_the_limit(serve: Serve, observe: Observe) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        while True:
            writer.write(b"X-Flood: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    observation = await observe(f"http://127.0.0.1:{await serve(talk)}/")
    assert verdict(observation) == (Reason.HEADER_LIMIT, "the head of the response exceeds 64 KiB")


async def test_interim_responses_without_end_hit_the_limit(serve: Serve, observe: Observe) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            await writer.drain()

    assert (await observe(f"http://127.0.0.1:{await serve(talk)}/")).reason is Reason.HEADER_LIMIT


async def test_a_head_just_within_the_limit_is_read(serve_bytes: ServeBytes, observe: Observe) -> None:
    filler = b"X: " + b"y" * (MAX_HEAD_BYTES - len(EMPTY) - 5) + b"\r\n"
    url = await serve_bytes(OK + filler + EMPTY.removeprefix(OK))
    assert (await observe(url)).outcome is Outcome.SUCCESS


async def test_a_body_may_follow_a_long_head_in_one_read(serve_bytes: ServeBytes, observe: Observe) -> None:
    head = OK + b"X: " + b"y" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n"
    url = await serve_bytes(head + b"z" * 100_000 + b"hello")
    assert (await observe(url, body_contains="hello")).outcome is Outcome.SUCCESS


async def test_a_refused_connection_fails_to_connect(observe: Observe, unused_port: int) -> None:
    observation = await observe(f"http://127.0.0.1:{unused_port}/")
    assert verdict(observation) == (Reason.CONNECT, f"127.0.0.1:{unused_port} refused the connection")


async def test_a_reset_breaks_the_protocol(serve: Serve, observe: Observe) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        linger_not = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)

    observation = await observe(f"http://127.0.0.1:{await serve(talk)}/")
    assert verdict(observation) == (Reason.PROTOCOL, "the connection broke before the response was complete")


async def test_ipv6_targets_are_reached(serve: Serve, observe: Observe, ipv6: None) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(EMPTY)

    observation = await observe(f"http://[::1]:{await serve(talk, host='::1')}/")
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "::1")


async def test_the_next_address_of_a_name_is_tried(serve: Serve, observe: Observe, ipv6: None) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(EMPTY)

    observation = await observe(f"http://localhost:{await serve(talk, host='::1')}/")
    assert (observation.outcome, observation.address) == (Outcome.SUCCESS, "::1")


def test_requests_are_kept_for_the_next_probe_however_many_there_are() -> None:
    targets = [HttpTarget(url=f"http://{number}.example/") for number in range(10_000)]
    first = [make_call(target) for target in targets]
    assert all(make_call(target) is call for target, call in zip(targets, first, strict=True))


def test_large_requests_are_made_anew() -> None:
    large = HttpTarget(url="http://a.example/", method="POST", body="x" * 3000)
    assert make_call(large) is not make_call(large)


def test_nothing_is_kept_of_a_target_that_is_gone() -> None:
    header = HttpHeader(name="Authorization", value="Bearer swordfish")
    target = HttpTarget(url="http://a.example/", headers=(header,))
    make_call(target)
    assert kept_with("swordfish")
    del target
    assert not kept_with("swordfish")


def kept_with(secret: str) -> bool:
    return any(secret.encode() in call.wire for call in probes.kinds.http.prober._calls.values())


class Recorded:
    """The request that a server got last."""

    head = b""
    body = b""


@pytest.fixture
async def recorded(serve: Serve) -> tuple[str, Recorded]:
    """The URL of a server, and what it is asked."""
    requests = Recorded()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.head = await read_request(reader)
        length = next((line for line in requests.head.split(b"\r\n") if line.startswith(b"Content-Length")), b":0")
        requests.body = await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(EMPTY)

    return f"http://127.0.0.1:{await serve(talk)}/path?q=1", requests


async def test_a_request_names_itself_and_asks_for_no_encoding(
    recorded: tuple[str, Recorded], observe: Observe
) -> None:
    url, requests = recorded
    await observe(url)
    first, *headers = requests.head.decode().split("\r\n")
    assert first == "GET /path?q=1 HTTP/1.1"
    assert {"Accept: */*", "Accept-Encoding: identity", "Connection: close", "User-Agent: Tocsin/0.1.0"} < {*headers}
    assert headers[0] == f"Host: {url.split('/')[2]}"


async def test_the_headers_of_a_target_replace_the_default_ones(
    recorded: tuple[str, Recorded], observe: Observe
) -> None:
    url, requests = recorded
    own = [{"name": "user-agent", "value": "mine"}, {"name": "X-A", "value": "a"}, {"name": "X-A", "value": "b"}]
    await observe(url, headers=[*own, {"name": "Host", "value": "example.com"}])
    head = requests.head.decode()
    assert "user-agent: mine\r\nX-A: a\r\nX-A: b\r\n" in head
    assert "Host: example.com\r\n" in head
    assert "Tocsin" not in head


async def test_a_body_is_sent_with_its_length(recorded: tuple[str, Recorded], observe: Observe) -> None:
    url, requests = recorded
    await observe(url, method="POST", body="grün" * 10_000)
    assert requests.body.decode() == "grün" * 10_000


async def test_a_message_holds_no_query(serve_bytes: ServeBytes, observe: Observe) -> None:
    url = await serve_bytes(b"nonsense")
    assert "s3cret" not in str(await observe(f"{url}?token=s3cret"))


async def test_a_probe_that_is_cancelled_closes_its_connection(serve: Serve, engine: Engine) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()
        closed.set()

    target = HttpTarget(url=f"http://127.0.0.1:{await serve(talk)}/")
    task = asyncio.create_task(probe(target, timedelta(seconds=5), engine))
    await asked.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await closed.wait()


async def _endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b"\r\n")
    while True:
        writer.write(bytes(64 * 1024))
        await writer.drain()
