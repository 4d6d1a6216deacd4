"""What is to be looked at: each object once, by one at a time, and never an older state after a newer one."""

import asyncio
from dataclasses import replace
from uuid import UUID

from healthcheck_operator.resources import HealthCheck
from healthcheck_operator.statuses import Attempt
from healthcheck_operator.sweeping import SWEEP_SECONDS
from healthcheck_operator.tracking import Tracking

WEB = HealthCheck("default", "web", UUID(int=1), generation=1, version=10, spec={}, status={}, run_at=None)
MAXIMUM_SWEEP_SECONDS = 45


async def taken(tracking: Tracking) -> list[HealthCheck]:
    """What there is to take now."""
    try:
        async with asyncio.timeout(0.01):
            return [tracked.healthcheck for tracked in await tracking.take(10)]
    except TimeoutError:
        return []


async def test_an_object_that_was_seen_twice_is_taken_once() -> None:
    tracking = Tracking()
    tracking.see(WEB)
    changed = replace(WEB, generation=2, version=11)
    tracking.see(changed)
    assert await taken(tracking) == [changed]
    assert await taken(tracking) == []


async def test_an_object_in_somebodys_hands_is_taken_again_when_it_was_given_back() -> None:
    tracking = Tracking()
    tracking.see(WEB)
    in_hands = await tracking.take(10)
    changed = replace(WEB, generation=2, version=11)
    tracking.see(changed)
    assert await taken(tracking) == []
    tracking.give_back(in_hands)
    assert await taken(tracking) == [changed]


async def test_a_watch_that_lags_behind_tells_nothing_new() -> None:
    tracking = Tracking()
    tracking.see(replace(WEB, generation=2, version=11))
    await tracking.take(10)
    tracking.see(WEB)
    assert getattr(tracking.find(WEB.uid), "healthcheck", None) == replace(WEB, generation=2, version=11)


async def test_a_list_counts_also_where_its_versions_are_older() -> None:
    tracking = Tracking()
    tracking.see(replace(WEB, generation=2, version=11))
    tracking.see(WEB, in_list=True)
    assert await taken(tracking) == [WEB]


async def test_what_was_written_is_not_undone_by_what_was_seen_before_it() -> None:
    tracking = Tracking()
    tracking.see(WEB)
    [tracked] = await tracking.take(10)
    tracking.wrote(tracked, {"state": "UP"}, version=12)
    tracking.see(replace(WEB, version=11, status={"state": "DOWN"}))
    assert tracked.healthcheck.status == {"state": "UP"}


async def test_a_change_that_was_seen_after_the_writing_stays() -> None:
    tracking = Tracking()
    tracking.see(WEB)
    [tracked] = await tracking.take(10)
    tracking.see(replace(WEB, version=13, status={"state": "DOWN"}))
    tracking.wrote(tracked, {"state": "UP"}, version=12)
    assert tracked.healthcheck.status == {"state": "DOWN"}


async def test_what_needs_a_retry_comes_back_later_each_time() -> None:
    tracking = Tracking()
    tracking.see(WEB)
    [tracked] = await tracking.take(10)
    tracking.synchronized(tracked, Attempt((), needs_retry=True))
    pauses = []
    for _ in range(8):
        tracking.settle(tracked)
        assert tracked.timer is not None
        pauses.append(tracked.timer.when() - asyncio.get_running_loop().time())
    assert pauses[0] <= 1
    assert 8 < pauses[-1] <= 20
    tracking.end()


def test_a_sweep_comes_as_often_as_is_promised() -> None:
    assert SWEEP_SECONDS <= MAXIMUM_SWEEP_SECONDS
