"""What the API answers of a check's past."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from tocsin.database import Connection, organization_transaction
from tocsin.domain.latency import BUCKETS, MICROSECOND, bucket_of, percentile
from tocsin.domain.observations import Outcome, Phases, Reason
from tocsin.domain.status import Status
from tocsin.domain.uptime import OutcomeCounts, status_times
from tocsin.models.codes import OUTCOME_CODES
from tocsin.services import history
from tocsin.services.history import ResultKey
from tocsin.services.partitions import drop_partitions, ensure_partitions
from tocsin.services.rollups import roll_up

pytestmark = pytest.mark.usefixtures("api_orm")

T = TypeVar("T")

NOON = datetime(2025, 3, 15, 12, tzinfo=UTC)
MIDNIGHT = NOON + timedelta(hours=12)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

_INSERT_RESULT = """
INSERT INTO results (check_id, slot, started_at, organization_id, revision, duration_us, location_id, outcome)
VALUES ($1, $2, $2, 1, 1, $3, $4, $5)
"""
_INSERT_CHANGE = """
INSERT INTO status_changes (organization_id, check_id, location_id, from_status, to_status, at)
VALUES (1, $1, 0, 'PENDING', $2, $3)
"""


@pytest.fixture(autouse=True)
async def nothing_since_noon(owner: Connection) -> None:
    await ensure_partitions(owner, NOON)
    await owner.execute("UPDATE rollup_progress SET rolled_up_to = $1", NOON)


async def ask(function: Callable[..., Awaitable[T]], *arguments: Any, organization_id: int = 1) -> T:
    async with organization_transaction(organization_id) as connection:
        return await function(connection, *arguments)


@dataclass(frozen=True)
class Slot:
    """A result of check 1."""

    at: datetime
    outcome: Outcome = Outcome.SUCCESS
    duration: timedelta = timedelta(milliseconds=40)
    location_id: int = 1


async def store(owner: Connection, slots: Sequence[Slot]) -> None:
    rows = [(1, s.at, s.duration // MICROSECOND, s.location_id, OUTCOME_CODES[s.outcome]) for s in slots]
    await owner.executemany(_INSERT_RESULT, rows)


def random_slots(chance: random.Random) -> list[Slot]:
    """A day and a half from noon on, every seven minutes."""
    return [
        Slot(NOON + n * 7 * MINUTE, chance.choice(list(Outcome)), chance.lognormvariate(10, 2) * MICROSECOND)
        for n in range(300)
    ]


def counts_of(slots: Sequence[Slot]) -> OutcomeCounts:
    counts = Counter(slot.outcome for slot in slots)
    return OutcomeCounts(*(counts[outcome] for outcome in Outcome))


def latency_of(slots: Sequence[Slot]) -> history.Latency:
    durations = [slot.duration for slot in slots if slot.outcome not in (Outcome.MISSED, Outcome.UNKNOWN)]
    counts = Counter(map(bucket_of, durations))
    histogram = [counts[bucket] for bucket in range(BUCKETS)]
    mean = sum(durations, timedelta()) / len(durations) if durations else None
    return history.Latency(len(durations), mean, *(percentile(histogram, percent) for percent in (50, 95, 99)))


def within(slots: Sequence[Slot], since: datetime, until: datetime) -> list[Slot]:
    return [slot for slot in slots if since <= slot.at < until]


async def test_uptime_is_weighted_by_the_time_from_the_last_change_before_the_window(owner: Connection) -> None:
    changes = [(NOON - HOUR, Status.UP), (NOON + 30 * MINUTE, Status.DOWN), (NOON + 45 * MINUTE, Status.UP)]
    await owner.executemany(_INSERT_CHANGE, [(1, status, at) for at, status in changes])
    uptime = await ask(history.uptime, 1, NOON, NOON + HOUR)
    assert (uptime.times.uptime, uptime.times.down) == (0.75, 15 * MINUTE)


async def test_of_two_changes_at_one_instant_the_later_one_counts(owner: Connection) -> None:
    await owner.executemany(_INSERT_CHANGE, [(1, Status.DOWN, NOON), (1, Status.UP, NOON)])
    assert (await ask(history.uptime, 1, NOON, NOON + HOUR)).times.uptime == 1


async def test_postgresql_adds_up_times_as_the_domain_does(owner: Connection) -> None:
    chance = random.Random(3)
    minutes = range(-300, 300)
    courses = {
        check_id: sorted((NOON + chance.choice(minutes) * MINUTE, chance.choice(list(Status))) for _ in range(check_id))
        for check_id in range(30)
    }
    for check_id, course in courses.items():
        await owner.executemany(_INSERT_CHANGE, [(check_id, status, at) for at, status in course])
    since, until = NOON - 100 * MINUTE, NOON + 100 * MINUTE
    uptimes = await ask(history.uptimes, list(courses), since, until)
    assert {key: uptimes[key].times for key in courses} == {
        key: status_times(course, since, until) for key, course in courses.items()
    }


async def test_a_check_without_any_row_has_neither_uptime_nor_latency() -> None:
    [(key, uptime)] = (await ask(history.uptimes, [7], NOON, NOON + HOUR)).items()
    assert (key, uptime.times.excluded, uptime.times.uptime, uptime.counts) == (7, HOUR, None, OutcomeCounts())
    assert await ask(history.latency, 7, NOON, NOON + HOUR) == history.Latency(0, None, None, None, None)


async def test_the_future_is_cut_off(owner: Connection) -> None:
    now = await owner.fetchval("SELECT clock_timestamp()")
    await owner.execute(_INSERT_CHANGE, 1, Status.UP, NOON)
    uptime = await ask(history.uptime, 1, now - HOUR, now + HOUR)
    assert HOUR <= uptime.times.up < HOUR + MINUTE
    assert (await ask(history.uptime, 1, now + HOUR, now + 2 * HOUR)).times.up == timedelta()


async def test_counts_and_latency_are_those_of_the_results_however_the_window_lies(
    owner: Connection, connection: Connection
) -> None:
    chance = random.Random(5)
    slots = random_slots(chance)
    await store(owner, slots)
    await roll_up(connection, MIDNIGHT)
    for _ in range(30):
        since, until = sorted(NOON + chance.uniform(-5, 40) * HOUR for _ in range(2))
        expected = within(slots, since, until)
        assert (await ask(history.uptime, 1, since, until)).counts == counts_of(expected)
        assert await ask(history.latency, 1, since, until) == latency_of(expected)


async def test_whole_hours_outlive_their_results(owner: Connection, connection: Connection) -> None:
    await store(owner, [Slot(NOON + n * MINUTE) for n in range(120)])
    await roll_up(connection, MIDNIGHT)
    await drop_partitions(owner, MIDNIGHT.date())
    uptime = await ask(history.uptime, 1, NOON, NOON + 2 * HOUR)
    assert uptime.counts == OutcomeCounts(successes=120)
    assert (await ask(history.latency, 1, NOON - HOUR, NOON + HOUR)).count == 60


async def test_another_organization_sees_nothing(owner: Connection, connection: Connection) -> None:
    await store(owner, random_slots(random.Random(1)))
    await owner.execute(_INSERT_CHANGE, 1, Status.UP, NOON)
    await roll_up(connection, MIDNIGHT)
    window = NOON, MIDNIGHT + HOUR
    uptime = await ask(history.uptime, 1, *window, organization_id=2)
    assert (uptime.times.up, uptime.counts) == (timedelta(), OutcomeCounts())
    assert (await ask(history.latency, 1, *window, organization_id=2)).count == 0
    assert (await ask(history.results_page, 1, 9, organization_id=2)).results == []
    assert all(not bucket.latency.count for bucket in await ask(history.series, 1, *window, 5, organization_id=2))


async def test_pages_bring_every_result_once_the_newest_first(owner: Connection) -> None:
    slots = [Slot(MIDNIGHT + n * HOUR, location_id=location) for n in range(-3, 3) for location in (1, 2)]
    await owner.execute("INSERT INTO locations VALUES (2, 'elsewhere')")
    await store(owner, slots)
    pages = [await ask(history.results_page, 1, 5)]
    while pages[-1].has_more:
        pages.append(await ask(history.results_page, 1, 5, pages[-1].results[-1].key))
    keys = [result.key for page in pages for result in page.results]
    assert keys == [ResultKey(slot.at, slot.location_id) for slot in reversed(slots)]
    assert [len(page.results) for page in pages] == [5, 5, 2]


async def test_a_page_keeps_to_the_time_asked_for(owner: Connection) -> None:
    await store(owner, [Slot(NOON + n * MINUTE) for n in range(5)])
    between = (NOON + MINUTE, NOON + 3 * MINUTE)
    page = await ask(history.results_page, 1, 10, None, between)
    assert [result.key.slot - NOON for result in page.results] == [2 * MINUTE, MINUTE]
    rest = await ask(history.results_page, 1, 10, ResultKey(NOON + 2 * MINUTE, 1), between)
    assert [result.key.slot - NOON for result in rest.results] == [MINUTE]


async def test_a_result_tells_all_that_its_probe_saw(owner: Connection) -> None:
    await owner.execute(
        """INSERT INTO results VALUES ($1, $2, $2, $3, 1, 4, 9000, 1000, NULL, 3000, NULL, 5000, 1, 3, 5, 503,
                                       3, false, '2001:db8::1', 'got 503', '{"bodyExcerpt": "sorry"}')""",
        1,
        NOON,
        MIDNIGHT,
    )
    [result] = (await ask(history.results_page, 1, 1)).results
    millisecond = timedelta(milliseconds=1)
    assert result == history.Result(
        check_id=1,
        key=ResultKey(NOON, 1),
        location="default",
        revision=4,
        started_at=NOON,
        duration=9 * millisecond,
        outcome=Outcome.FAILURE,
        reason=Reason.STATUS,
        message="got 503",
        status_code=503,
        phases=Phases(resolve=millisecond, tls=3 * millisecond, transfer=5 * millisecond),
        address="2001:db8::1",
        certificate_expires_at=MIDNIGHT,
        attempts=3,
        tls_verified=False,
        evidence='{"bodyExcerpt": "sorry"}',
    )


@pytest.mark.parametrize(
    ("since", "until", "buckets"),
    [
        (NOON, NOON + 2 * HOUR, 8),
        (NOON, NOON + 24 * HOUR, 6),
        (NOON + 17 * MINUTE, NOON + 26 * HOUR, 7),
        (NOON - 90 * MINUTE, NOON + 40 * HOUR, 40),
        (NOON + 59 * MINUTE, NOON + 61 * MINUTE, 200),
    ],
)
async def test_the_parts_of_a_series_tell_of_their_own_results(
    owner: Connection, connection: Connection, since: datetime, until: datetime, buckets: int
) -> None:
    slots = random_slots(random.Random(11))
    await store(owner, slots)
    await roll_up(connection, MIDNIGHT)
    series = await ask(history.series, 1, since, until, buckets)
    assert [bucket.counts for bucket in series] == [counts_of(within(slots, b.start, b.end)) for b in series]
    assert [bucket.latency for bucket in series] == [latency_of(within(slots, b.start, b.end)) for b in series]


@pytest.mark.parametrize(("hours", "buckets"), [(1.1, 200), (72.3, 24), (700, 200), (2, 2)])
async def test_the_parts_of_a_series_fill_the_window(hours: float, buckets: int) -> None:
    since, until = NOON + 17 * MINUTE, NOON + 17 * MINUTE + hours * HOUR
    series = await ask(history.series, 1, since, until, buckets)
    assert (len(series), series[0].start, series[-1].end) == (buckets, since, until)
    assert all(one.end == next_one.start > one.start for one, next_one in pairwise(series))


async def test_parts_of_an_hour_and_more_start_on_the_hour_and_outlive_their_results(
    owner: Connection, connection: Connection
) -> None:
    await store(owner, [Slot(NOON + n * MINUTE) for n in range(240)])
    await roll_up(connection, MIDNIGHT)
    await drop_partitions(owner, MIDNIGHT.date())
    series = await ask(history.series, 1, NOON - 30 * MINUTE, NOON + 210 * MINUTE, 4)
    assert [bucket.start - NOON for bucket in series[1:]] == [timedelta(), HOUR, 2 * HOUR]
    assert [bucket.counts.successes for bucket in series] == [0, 60, 60, 60]


@pytest.mark.parametrize(("window", "buckets"), [(HOUR, 0), (HOUR, 201), (HOUR, -1), (timedelta(), 1), (-HOUR, 5)])
async def test_a_series_that_cannot_be_cut_is_refused(window: timedelta, buckets: int) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        await ask(history.series, 1, NOON, NOON + window, buckets)
