"""What the platform keeps of failures, and its second attempts."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from tests.engine.harness import Platform, eventually
from tocsin.domain.evidence import from_json
from tocsin.domain.observations import Outcome, Reason
from tocsin.models.codes import OUTCOME_CODES

SORRY = b"HTTP/1.1 503 Sorry\r\nServer: x\r\nContent-Length: 5\r\n\r\nsorry"
FINE = b"HTTP/1.1 204 Fine\r\n\r\n"
INTERVAL_SECONDS = 2
MISSED = OUTCOME_CODES[Outcome.MISSED]


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[int]:
    """A server that gives these answers again and again, one a connection, and its port."""
    left = _again_and_again(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(left))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def _again_and_again(answers: tuple[bytes, ...]) -> Iterator[bytes]:
    while True:
        yield from answers


async def retry(platform: Platform, attempts: int, delay_ms: int = 0) -> None:
    async with platform.connection() as connection:
        await connection.execute(
            "UPDATE check_versions SET retry_attempts = $1, retry_delay_ms = $2", attempts, delay_ms
        )


async def test_an_incident_tells_what_the_target_answered(platform: Platform) -> None:
    async with answering(SORRY) as port:
        await platform.make_checks(3, INTERVAL_SECONDS, port)
        platform.scheduler()
        platform.worker()
        await eventually(lambda: platform.ask("SELECT count(*) = 3 FROM incidents"), 40)
        await platform.stop()
    evidence = from_json(await platform.ask("SELECT evidence FROM incidents LIMIT 1"))
    assert evidence.headers == (("Server", "x"), ("Content-Length", "5"))
    assert evidence.body_excerpt == "sorry"
    # Of failures that are alike, the first alone is kept.
    assert await platform.ask("SELECT count(*) FROM results WHERE evidence IS NOT NULL") == 3
    assert await platform.ask("SELECT count(*) >= 9 FROM results")


async def test_a_target_that_fails_at_first_and_is_well_at_once_again_stays_up(platform: Platform) -> None:
    async with answering(SORRY, FINE) as port:
        await platform.make_checks(1, INTERVAL_SECONDS, port)
        await retry(platform, 2)
        platform.scheduler()
        platform.worker()
        await eventually(lambda: platform.ask("SELECT count(*) >= 5 FROM results"), 40)
        await platform.stop()
    assert await platform.ask("SELECT array_agg(DISTINCT outcome) FROM results") == [OUTCOME_CODES[Outcome.SUCCESS]]
    assert await platform.ask("SELECT array_agg(DISTINCT attempts) FROM results") == [2]
    assert await platform.ask("SELECT status FROM check_states") == "UP"
    evidence = from_json(await platform.ask("SELECT evidence FROM results WHERE evidence IS NOT NULL LIMIT 1"))
    assert [attempt.reason for attempt in evidence.attempts] == [Reason.STATUS]


async def test_a_run_whose_worker_is_killed_between_two_attempts_begins_anew_at_another(platform: Platform) -> None:
    async with answering(SORRY) as port:
        await platform.make_checks(5, INTERVAL_SECONDS, port)
        await retry(platform, 1, 6000)
        platform.scheduler()
        killed = platform.worker()
        claimed = "SELECT min(tick_at) FROM batches JOIN batch_leases ON batch_id = id WHERE holder IS NOT NULL"
        await eventually(lambda: platform.ask(claimed), 20)
        await asyncio.sleep(2)
        first = await platform.ask(claimed)
        platform.worker()
        killed.kill()
        taken_over = "SELECT count(*) >= 5 FROM results WHERE slot < $1::timestamptz + interval '2 seconds'"
        await eventually(lambda: platform.ask(taken_over, first), 40)
        await platform.stop()
    assert await platform.ask("SELECT array_agg(DISTINCT attempts) FROM results WHERE outcome <> $1", MISSED) == [2]
    assert await platform.ask("SELECT count(*) FROM results WHERE outcome = $1", MISSED) == 0


async def test_a_worker_that_stops_lets_a_run_come_to_its_last_attempt(platform: Platform) -> None:
    async with answering(SORRY) as port:
        await platform.make_checks(5, INTERVAL_SECONDS, port)
        await retry(platform, 1, 4000)
        platform.scheduler()
        stopped = platform.worker()
        begun = "SELECT true FROM batch_leases WHERE holder IS NOT NULL"
        await eventually(lambda: platform.ask(begun), 20)
        await asyncio.sleep(2)
        stopped.terminate()
        assert await asyncio.to_thread(stopped.wait) == 0
    assert await platform.ask("SELECT array_agg(DISTINCT attempts) FROM results WHERE outcome <> $1", MISSED) == [2]
