"""The event log, read back in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tocsin.database import Pool, organization_transaction
from tocsin.services.event_log import News, append_news
from tocsin.services.event_reading import (
    CursorExpiredError,
    Interest,
    Item,
    ItemKind,
    Position,
    newest_position,
    read_page,
    require_replayable,
    start_of,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVERYTHING = tuple(ItemKind)

_RESULT = """
INSERT INTO results (check_id, slot, location_id, organization_id, revision, started_at, duration_us, outcome)
SELECT $1, $2, 1, organization_id, 1, $2, 1000, 1 FROM checks WHERE id = $1
"""
_STATUS_CHANGE = """
INSERT INTO status_changes (organization_id, check_id, location_id, from_status, to_status, at)
SELECT organization_id, id, 0, 'UP', 'DOWN', $2 FROM checks WHERE id = $1 RETURNING id
"""
_INCIDENT_EVENT = """
WITH i AS (INSERT INTO incidents (organization_id, check_id, opened_at, detected_at)
           SELECT organization_id, id, $2, $2 FROM checks WHERE id = $1 RETURNING id, organization_id)
INSERT INTO incident_events (organization_id, incident_id, version, kind, at)
SELECT organization_id, id, 1, 'OPENED', $2 FROM i RETURNING id
"""


@pytest.fixture(autouse=True)
async def configuration(owner: asyncpg.Connection, api_orm: None) -> None:
    """Organization 1 with checks 11 and 12 on two sites; organization 2 with check 21."""
    await owner.execute("""
        INSERT INTO organizations (id, name) VALUES (1, 'one'), (2, 'two');
        INSERT INTO event_counters (organization_id) VALUES (1), (2);
        INSERT INTO sites (id, organization_id, name) VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
        INSERT INTO checks (id, organization_id, site_id, name, kind, target, interval_seconds, timeout_ms,
                            failure_threshold, success_threshold)
        SELECT id, organization_id, site_id, 'check', 'tcp', '{}', 60, 1000, 3, 2
        FROM (VALUES (11, 1, 1), (12, 1, 2), (21, 2, 3)) AS c (id, organization_id, site_id);
        CREATE TABLE results_noon PARTITION OF results FOR VALUES FROM ('2026-01-01Z') TO ('2026-01-02Z');
    """)


async def happen(pool: Pool, check_id: int, slots: Sequence[int] = (), *, change: bool = False) -> None:
    """One transaction: results at some seconds after noon, and perhaps that the check went down."""
    async with pool.acquire() as connection, connection.transaction():
        news = News(results=[(check_id, NOON + timedelta(seconds=s), 1) for s in slots])
        for _, slot, _ in news.results:
            await connection.execute(_RESULT, check_id, slot)
        if change:
            news.status_change_ids.append(await connection.fetchval(_STATUS_CHANGE, check_id, NOON))
            news.incident_event_ids.append(await connection.fetchval(_INCIDENT_EVENT, check_id, NOON))
        await append_news(connection, {check_id // 10: news})


async def read(
    after: Position,
    kinds: Sequence[ItemKind] = EVERYTHING,
    until: Position | None = None,
    interest: Interest | None = None,
) -> AsyncIterator[Item]:
    """All items after a position, page by page."""
    while True:
        async with organization_transaction(1) as connection:
            page = await read_page(connection, 1, after, kinds, until=until, interest=interest)
            last = until or await newest_position(connection, 1)
        for item in page.items:
            yield item
        if page.end >= last:
            return
        after = page.end


async def positions(after: Position, **options: object) -> list[tuple[int, int]]:
    return [tuple(item.position) async for item in read(after, **options)]  # type: ignore[arg-type,misc]


async def test_items_come_in_the_order_of_events_and_of_kinds(engine_pool: Pool) -> None:
    await happen(engine_pool, 11, [1, 2], change=True)
    await happen(engine_pool, 12, [3])
    found = [(item.position, item.kind, item.check_id) async for item in read(start_of(1))]
    assert found == [
        ((1, 0), ItemKind.RESULT, 11),
        ((1, 1), ItemKind.RESULT, 11),
        ((1, 2), ItemKind.STATUS_CHANGE, 11),
        ((1, 3), ItemKind.INCIDENT_EVENT, 11),
        ((2, 0), ItemKind.RESULT, 12),
    ]


async def test_rows_are_those_of_their_items(engine_pool: Pool) -> None:
    await happen(engine_pool, 11, [7], change=True)
    result, change, incident_event = [item.row async for item in read(start_of(1))]
    assert (result["slot"], result["location"]) == (NOON + timedelta(seconds=7), "default")
    assert (change["from_status"], change["to_status"]) == ("UP", "DOWN")
    assert (incident_event["kind"], incident_event["incident_opened_at"]) == ("OPENED", NOON)


async def test_reading_goes_on_after_an_item_and_ends_at_one(engine_pool: Pool) -> None:
    await happen(engine_pool, 11, [1, 2], change=True)
    await happen(engine_pool, 12, [3, 4])
    assert await positions(Position(1, 1), until=Position(2, 0)) == [(1, 2), (1, 3), (2, 0)]


@pytest.mark.parametrize("kind", ItemKind)
async def test_a_kind_can_be_read_alone(engine_pool: Pool, kind: ItemKind) -> None:
    await happen(engine_pool, 11, [1], change=True)
    await happen(engine_pool, 11, [2])
    found = [item async for item in read(start_of(1), [kind])]
    assert {item.kind for item in found} == {kind}


@pytest.mark.parametrize("interest", [Interest(check_ids=frozenset({12})), Interest(site_ids=frozenset({2}))])
async def test_an_interest_leaves_out_the_other_checks(engine_pool: Pool, interest: Interest) -> None:
    await happen(engine_pool, 11, [1], change=True)
    await happen(engine_pool, 12, [2], change=True)
    assert await positions(start_of(1), interest=interest) == [(2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize("kinds", [EVERYTHING, EVERYTHING[1:]])
async def test_many_events_come_in_pages_without_a_gap(engine_pool: Pool, kinds: Sequence[ItemKind]) -> None:
    for _ in range(3):
        await happen(engine_pool, 11, change=False)
    async with engine_pool.acquire() as connection:
        await connection.execute("UPDATE event_counters SET number = 12000 WHERE organization_id = 1")
        await connection.execute("""
            INSERT INTO events SELECT 1, n, now(), '{}', '{}', '{}', '{}', '{}' FROM generate_series(4, 12000) n
        """)
    await happen(engine_pool, 11, [1], change=True)
    assert [number for number, _ in await positions(start_of(1), kinds=kinds)] == [12001] * len(kinds)


async def test_many_results_end_a_page(engine_pool: Pool) -> None:
    for start in range(0, 2400, 600):
        await happen(engine_pool, 11, range(start, start + 600))
    async with organization_transaction(1) as connection:
        page = await read_page(connection, 1, start_of(1), EVERYTHING)
    assert (len(page.items), page.end) == (1200, start_of(3))
    assert len(await positions(start_of(1))) == 2400


async def test_what_another_organization_brought_is_not_read(engine_pool: Pool) -> None:
    await happen(engine_pool, 21, [1], change=True)
    assert await positions(start_of(1)) == []


async def test_what_was_deleted_leaves_its_place_empty(engine_pool: Pool, owner: asyncpg.Connection) -> None:
    await happen(engine_pool, 11, [1, 2, 3])
    await owner.execute("DELETE FROM results WHERE slot = $1", NOON + timedelta(seconds=2))
    assert await positions(start_of(1)) == [(1, 0), (1, 2)]


@pytest.mark.parametrize("kinds", [EVERYTHING, EVERYTHING[1:]])
async def test_dropped_events_cannot_be_replayed(
    engine_pool: Pool, owner: asyncpg.Connection, kinds: Sequence[ItemKind]
) -> None:
    for second in range(3):
        await happen(engine_pool, 11, [second])
    await owner.execute("DELETE FROM events WHERE number < 2")
    with pytest.raises(CursorExpiredError):
        await positions(Position(1, 0), kinds=kinds)
    assert await positions(start_of(2)) == [(2, 0), (3, 0)]


async def test_changes_can_be_replayed_when_the_results_between_them_were_dropped(
    engine_pool: Pool, owner: asyncpg.Connection
) -> None:
    for second in range(5):
        await happen(engine_pool, 11 + second % 2, [second], change=second in (0, 3))
    await owner.execute("DELETE FROM events WHERE status_change_ids = '{}'")
    assert await positions(Position(1, 1), kinds=EVERYTHING[1:]) == [(1, 2), (4, 1), (4, 2)]
    with pytest.raises(CursorExpiredError):
        await positions(Position(1, 1))


@pytest.mark.parametrize(
    ("position", "replayable"),
    [
        (Position(1, 0), False),
        (start_of(2), True),
        (Position(3, 0), True),
        (start_of(4), True),
        (Position(4, 0), False),
        (start_of(9), False),
    ],
)
async def test_a_position_is_replayable_while_its_event_is_kept(
    engine_pool: Pool, owner: asyncpg.Connection, position: Position, replayable: bool
) -> None:
    for second in range(3):
        await happen(engine_pool, 11, [second])
    await owner.execute("DELETE FROM events WHERE number < 2")
    async with organization_transaction(1) as connection:
        try:
            await require_replayable(connection, 1, position)
        except CursorExpiredError:
            assert not replayable
        else:
            assert replayable


async def test_a_reader_beside_many_writers_misses_nothing(engine_pool: Pool) -> None:
    async def write(writer: int) -> None:
        for turn in range(20):
            await happen(engine_pool, 11, [writer * 100 + turn])

    writers = asyncio.gather(*(write(writer) for writer in range(6)))
    after, slots = start_of(1), []
    while not (writers.done() and after == start_of(121)):
        async with organization_transaction(1) as connection:
            page = await read_page(connection, 1, after, EVERYTHING)
        slots += [item.row["slot"] for item in page.items]
        after = page.end
    await writers
    assert len(slots) == len(set(slots)) == 120
