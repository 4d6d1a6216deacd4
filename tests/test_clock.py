"""The platform's time: the database's, whatever steps, hangs or freezes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.clock import PLAN_LEAD, PlatformClock
from tocsin.database import Connection, Pool
from tocsin.services.planning import start_ledger

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MS = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class Monotonic:
    """A monotonic clock that tests turn."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def clock(monotonic: Monotonic) -> PlatformClock:
    """Read at noon, when the monotonic clock showed 100 s."""
    clock = PlatformClock(monotonic)
    clock.observe(NOON, 100.0, 100.0)
    return clock


def test_time_goes_on_between_readings(clock: PlatformClock, monotonic: Monotonic) -> None:
    monotonic.seconds += 2.5
    assert clock.now() == NOON + 2.5 * SECOND
    assert clock.seconds_until(NOON + 3 * SECOND) == 0.5


def test_a_step_forwards_is_followed_at_once(clock: PlatformClock) -> None:
    clock.observe(NOON + HOUR, 100.0, 100.0)
    assert (clock.now(), clock.held_back) == (NOON + HOUR, timedelta(0))


def test_a_step_backwards_holds_time_and_is_told(clock: PlatformClock, monotonic: Monotonic) -> None:
    monotonic.seconds += 1
    clock.observe(NOON + SECOND - HOUR, 101.0, 101.0)
    assert (clock.now(), clock.held_back) == (NOON + SECOND, HOUR)


def test_time_goes_on_while_it_is_held(clock: PlatformClock, monotonic: Monotonic) -> None:
    clock.observe(NOON - HOUR, 100.0, 100.0)
    monotonic.seconds += 60
    clock.observe(NOON - HOUR + 60 * SECOND, 160.0, 160.0)
    assert (clock.now(), clock.held_back) == (NOON + 60 * SECOND, HOUR)


def test_a_clock_that_has_caught_up_is_followed_again(clock: PlatformClock) -> None:
    clock.observe(NOON - HOUR, 100.0, 100.0)
    clock.observe(NOON + MS, 100.0, 100.0)
    assert (clock.now(), clock.held_back) == (NOON + MS, timedelta(0))


def test_a_clock_that_runs_a_little_slower_is_followed_back(clock: PlatformClock) -> None:
    clock.observe(NOON - 20 * MS, 100.0, 100.0)
    assert (clock.now(), clock.held_back) == (NOON - 20 * MS, timedelta(0))


def test_a_database_that_hung_and_read_at_the_end_sets_no_clock_ahead(
    clock: PlatformClock, monotonic: Monotonic
) -> None:
    monotonic.seconds += 20
    clock.observe(NOON + 20 * SECOND, 100.0, 120.0)
    assert (clock.now(), clock.held_back) == (NOON + 20 * SECOND, timedelta(0))


def test_a_process_that_was_frozen_before_it_got_the_answer_stays_right(
    clock: PlatformClock, monotonic: Monotonic
) -> None:
    monotonic.seconds += 20
    clock.observe(NOON + MS, 100.0, 120.0)
    assert (clock.now(), clock.held_back) == (NOON + 20 * SECOND, timedelta(0))


def test_a_slow_first_reading_is_taken_for_the_earliest_that_it_can_mean(monotonic: Monotonic) -> None:
    clock = PlatformClock(monotonic)
    monotonic.seconds = 120.0
    clock.observe(NOON, 100.0, 120.0)
    assert clock.now() == NOON
    clock.observe(NOON + 20 * SECOND, 120.0, 120.0)
    assert clock.now() == NOON + 20 * SECOND


def test_a_process_that_starts_after_a_step_backwards_goes_on_where_planning_was(monotonic: Monotonic) -> None:
    clock = PlatformClock(monotonic)
    clock.observe(NOON - HOUR, 100.0, 100.0, newest_tick_at=NOON)
    assert (clock.now(), clock.held_back) == (NOON - PLAN_LEAD, HOUR - PLAN_LEAD)


def test_a_tick_that_is_planned_ahead_in_its_time_moves_nothing(clock: PlatformClock) -> None:
    clock.observe(NOON, 100.0, 100.0, newest_tick_at=NOON + PLAN_LEAD)
    assert clock.now() == NOON


@pytest.fixture
async def connection(engine_pool: Pool) -> AsyncIterator[Connection]:
    async with engine_pool.acquire() as connection:
        yield connection


async def test_a_reading_comes_from_the_database(connection: Connection) -> None:
    clock = PlatformClock()
    read = await clock.read(connection)
    assert abs(read - await connection.fetchval("SELECT clock_timestamp()")) < SECOND


async def test_a_reading_knows_the_newest_planned_tick(connection: Connection) -> None:
    ahead = await connection.fetchval("SELECT date_trunc('second', clock_timestamp()) + interval '1 hour'")
    await start_ledger(connection, ahead)
    clock = PlatformClock()
    assert timedelta(0) <= await clock.read(connection) - (ahead - PLAN_LEAD) < SECOND
    assert clock.held_back > HOUR - 5 * SECOND
