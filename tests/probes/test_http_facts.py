"""What an HTTP probe notes of the response, for assertions and as evidence."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest

from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.http.prober import probe_http
from probes.trace import Trace
from tests.probes.serving import ServeBytes
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http import HttpTarget

OK = b"HTTP/1.1 200 OK\r\n"
FAILED = b"HTTP/1.1 503 Service Unavailable\r\n"


async def traced(engine: Engine, url: str, wanted: Collection[Source] = (), **fields: Any) -> Trace:
    trace = Trace(timedelta(seconds=5), (), wanted)
    await probe_http(HttpTarget(url=url, **fields), engine, trace)
    return trace


async def failed(engine: Engine, url: str, wanted: Collection[Source] = (), **fields: Any) -> tuple[Trace, Reason]:
    trace = Trace(timedelta(seconds=5), (), wanted)
    with pytest.raises(ProbeFailure) as failure:
        await probe_http(HttpTarget(url=url, **fields), engine, trace)
    return trace, failure.value.reason


async def test_status_headers_and_size_are_always_noted(serve_bytes: ServeBytes, engine: Engine) -> None:
    url = await serve_bytes(OK + b"X-One: 1\r\nX-Two: \xc3\xa4\r\nX-Three: \xe4\r\n\r\nhello")
    facts = (await traced(engine, url)).facts
    assert (facts[Source.STATUS], facts[Source.SIZE]) == (200, 5)
    assert tuple(facts[Source.HEADER]) == (("X-One", "1"), ("X-Two", "ä"), ("X-Three", "ä"))


async def test_a_body_is_kept_only_when_something_is_asserted_on_it(serve_bytes: ServeBytes, engine: Engine) -> None:
    response = OK + b"Content-Type: text/plain; charset=latin-1\r\nContent-Length: 1\r\n\r\n\xe4"
    assert Source.BODY not in (await traced(engine, await serve_bytes(response))).facts
    wanted = await traced(engine, await serve_bytes(response), {Source.BODY})
    assert wanted.facts[Source.BODY] == "ä"


async def test_an_unexpected_status_leaves_the_first_of_the_body(serve_bytes: ServeBytes, engine: Engine) -> None:
    url = await serve_bytes(FAILED + b"\r\n" + b"x" * 5000)
    trace, reason = await failed(engine, url)
    assert (reason, trace.facts[Source.BODY]) == (Reason.STATUS, "x" * 4096)


async def test_a_body_that_never_comes_does_not_hide_its_status(serve_bytes: ServeBytes, engine: Engine) -> None:
    url = await serve_bytes(FAILED + b"Content-Length: 100\r\n\r\nonly this", stay=True)
    trace, reason = await failed(engine, url)
    assert (reason, trace.facts[Source.BODY]) == (Reason.STATUS, "only this")


async def test_a_missing_text_leaves_the_first_of_the_body(serve_bytes: ServeBytes, engine: Engine) -> None:
    trace, reason = await failed(engine, await serve_bytes(OK + b"\r\nsomething else"), body_contains="hello")
    assert (reason, trace.facts[Source.BODY]) == (Reason.ASSERTION, "something else")


async def test_a_body_to_assert_on_must_not_exceed_the_limit(serve_bytes: ServeBytes, engine: Engine) -> None:
    url = await serve_bytes(OK + b"\r\n" + b"x" * (1024 * 1024 + 1))
    assert (await failed(engine, url, {Source.JSON}))[1] is Reason.BODY_LIMIT
