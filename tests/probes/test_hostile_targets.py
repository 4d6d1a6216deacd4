"""Hostile targets hold up nobody else; tests/hostile plays each trick by itself."""

import asyncio
import itertools
import statistics
from asyncio import StreamReader, StreamWriter
from datetime import timedelta

from probes.engine import Engine
from probes.runner import probe
from tests.probes.serving import Observe, Serve, read_request
from tocsin.domain.observations import Observation, Outcome
from tocsin.domain.targets.http import HttpTarget

OK = b"HTTP/1.1 200 OK\r\n"


async def _silent(reader: StreamReader, writer: StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drip(writer: StreamWriter, head: bytes, drop: bytes) -> None:
    writer.write(head)
    while True:
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(0.01)


async def _slow_head(reader: StreamReader, writer: StreamWriter) -> None:
    await _drip(writer, b"", b"H")


async def _slow_headers(reader: StreamReader, writer: StreamWriter) -> None:
    await _drip(writer, OK, b"X: y\r\n")


async def _slow_body(reader: StreamReader, writer: StreamWriter) -> None:
    await _drip(writer, OK + b"\r\n", b"x")


async def _slow_chunks(reader: StreamReader, writer: StreamWriter) -> None:
    await _drip(writer, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")


async def _endless_body(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b"\r\n")
    while True:
        writer.write(bytes(256 * 1024))
        await writer.drain()


async def _good(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b"Content-Length: 5\r\n\r\nhello")


async def test_hostile_targets_do_not_hold_up_good_ones(serve: Serve, engine: Engine) -> None:
    talks = (_silent, _slow_headers, _slow_body, _slow_chunks, _endless_body, _slow_head)
    hostile = [f"http://127.0.0.1:{await serve(talk)}/" for talk in talks]
    good = f"http://127.0.0.1:{await serve(_good)}/"
    attack = [
        asyncio.create_task(_observe(engine, url, "never")) for url in itertools.islice(itertools.cycle(hostile), 200)
    ]
    await asyncio.sleep(0.05)
    observations = [await _observe(engine, good, "hello") for _ in range(20)]
    ends = await asyncio.gather(*attack)
    assert {observation.outcome for observation in observations} == {Outcome.SUCCESS}
    # The medians, as a machine that does other things as well may hold up any single one.
    assert statistics.median(each.duration.total_seconds() for each in observations) < 0.1
    assert statistics.median(end.duration.total_seconds() for end in ends) <= 1 + 0.25


async def test_a_probe_that_times_out_closes_its_connection(serve: Serve, observe: Observe) -> None:
    closed = asyncio.Event()

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read()
        closed.set()

    await observe(f"http://127.0.0.1:{await serve(talk)}/", timeout_seconds=0.05)
    async with asyncio.timeout(1):
        await closed.wait()


async def _observe(engine: Engine, url: str, text: str, seconds: float = 1) -> Observation:
    return await probe(HttpTarget(url=url, body_contains=text), timedelta(seconds=seconds), engine)
