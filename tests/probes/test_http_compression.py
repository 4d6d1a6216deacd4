"""Compressed bodies: what is asked for, and what a server may make of it."""

import gzip
import zlib
from datetime import timedelta
from typing import Any

import pytest

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.http.prober import probe_http
from probes.trace import Trace
from tests.probes.serving import Observe, ServeBytes
from tocsin.domain.facts import Source
from tocsin.domain.observations import Outcome, Reason
from tocsin.domain.targets.http import HttpTarget

GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # stored, of no bytes, and not the last


async def asserted(engine: Engine, url: str, **fields: Any) -> Trace:
    """The notes of a probe of which the body is asserted on."""
    trace = Trace(timedelta(seconds=5), (), {Source.BODY})
    await probe_http(HttpTarget(url=url, accept_compression=True, **fields), engine, trace)
    return trace


@pytest.mark.proves("http", "compression")
@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_body_is_asserted_on_as_it_is_meant(
    serve_bytes: ServeBytes, engine: Engine, encoding: str, compress: Any
) -> None:
    body = compress(b"hello" * 1000)
    url = await serve_bytes(f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n\r\n".encode(), body)
    facts = (await asserted(engine, url)).facts
    assert (facts[Source.BODY], facts[Source.SIZE]) == ("hello" * 1000, len(body))


async def test_what_is_not_compressed_as_it_says_is_nonsense(serve_bytes: ServeBytes, observe: Observe) -> None:
    observation = await observe(await serve_bytes(GZIP, b"hello"), accept_compression=True)
    assert observation.reason is Reason.PROTOCOL


async def test_a_bomb_ends_at_the_limit(serve_bytes: ServeBytes, observe: Observe, engine: Engine) -> None:
    bomb = gzip.compress(bytes(100 * 1024 * 1024), 1)
    assert (await observe(await serve_bytes(GZIP, bomb), accept_compression=True)).outcome is Outcome.SUCCESS
    with pytest.raises(ProbeFailure) as failure:
        await asserted(engine, await serve_bytes(GZIP, bomb), maximum_body_bytes=100_000)
    assert failure.value.reason is Reason.BODY_LIMIT


async def test_blocks_of_nothing_end_at_the_limit(serve_bytes: ServeBytes, engine: Engine) -> None:
    head = gzip.compress(b"")[:10]
    url = await serve_bytes(GZIP, head + EMPTY_BLOCK * 40_000, stay=True)
    with pytest.raises(ProbeFailure) as failure:
        await asserted(engine, url, maximum_body_bytes=100_000)
    assert failure.value.reason is Reason.BODY_LIMIT
