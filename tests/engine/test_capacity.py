"""What is slow, and who is full, delays nobody else."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.engine.harness import Platform, Target


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that answers no attempt to connect, as its queue is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


async def test_black_holed_targets_delay_no_other(
    platform: Platform, target: tuple[int, type[Target]], black_hole: int
) -> None:
    port, _ = target
    await platform.make_checks(200, 2, port)
    holes = await platform.make_checks(300, 3, black_hole, timeout_ms=3000)
    platform.scheduler(), platform.worker()
    since = await platform.until_probing()
    await asyncio.sleep(3)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert total.percentile(0.99) < 1
    longest = "SELECT max(duration_us) FROM results WHERE check_id {} ALL($1::bigint[])"
    assert await platform.ask(longest.format("<>"), holes) < 500_000
    outcomes = "SELECT array_agg(DISTINCT outcome) FROM results WHERE check_id = ANY($1::bigint[])"
    assert await platform.ask(outcomes, holes) == [3]


@pytest.mark.soak
async def test_a_worker_that_is_full_leaves_its_share_to_others(
    platform: Platform, target: tuple[int, type[Target]]
) -> None:
    port, answer = target
    answer.delay_seconds = 1.5
    await platform.make_checks(200, 2, port, timeout_ms=2000)
    platform.scheduler(), platform.worker(TOCSIN_WORKER_CONCURRENCY="20"), platform.worker()
    since = await platform.until_probing()
    await asyncio.sleep(5)
    total = await platform.settled(since)
    assert (total.silent, total.unfolded, total.missed) == ([], [], {})
    assert total.max_lateness < 2
