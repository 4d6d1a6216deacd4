"""A subscriber misses nothing: replays from a cursor, and how they join what happens now."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from graphql_api.live.cursors import cursor_of
from graphql_api.live.pages import ShownPage, shown_page
from tests.graphql_api.live.harness import RESULTS, Api, World
from tocsin.domain.global_ids import encode
from tocsin.services.event_reading import Position

WRITERS, TURNS, RESULTS_EACH = 8, 15, 2
TOTAL = WRITERS * TURNS * RESULTS_EACH


async def write_much(world: World) -> list[str]:
    """Let many transactions bring results at once; return all slots."""

    async def write(writer: int) -> list[str]:
        slots = []
        for _ in range(TURNS):
            slots += await world.report(check=writer % 2, count=RESULTS_EACH, ring=random.random() < 0.7)
            await asyncio.sleep(random.random() / 50)
        return slots

    return sorted(slot for slots in await asyncio.gather(*map(write, range(WRITERS))) for slot in slots)


async def test_a_cursor_brings_what_came_after_it(api: Api, world: World) -> None:
    slots = await world.report(count=3) + await world.report(count=2)
    async with api.client(world.token) as client:
        await client.subscribe(after=cursor_of(world.organization_id, Position(1, 1)))
        assert await client.slots(3) == slots[2:]


async def test_without_a_cursor_only_what_comes_now_arrives(api: Api, world: World) -> None:
    await world.report(count=3)
    async with api.client(world.token) as client:
        await client.subscribe()
        await api.joined()
        slots = await world.report()
        assert await client.slots(1) == slots


async def test_the_cursor_of_the_acknowledgement_begins_before_the_first_event(api: Api, world: World) -> None:
    await world.report()
    async with api.client(world.token) as client:
        slots = await world.report()
        await client.subscribe(after=client.start_cursor)
        assert await client.slots(1) == slots


async def test_a_cursor_can_stand_in_the_document(api: Api, world: World) -> None:
    slots = await world.report(count=2)
    cursor = cursor_of(world.organization_id, Position(1, 0))
    async with api.client(world.token) as client:
        await client.subscribe(RESULTS.replace("$after)", f'"{cursor}")').replace(", $after: String", ""))
        assert await client.slots(1) == slots[1:]


async def test_a_long_replay_comes_whole_and_in_order(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        slots = [slot for _ in range(4) for slot in await world.report(count=400)]
        await client.subscribe(after=client.start_cursor)
        assert await client.slots(1600) == slots


async def test_a_filtered_replay_brings_only_what_it_is_for(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await world.report(check=0, count=5)
        slots = await world.report(check=1, count=5)
        await client.subscribe(check=world.check(1), after=client.start_cursor)
        assert await client.slots(5) == slots


async def test_replays_beside_many_writers_join_without_gap_or_duplicate(api: Api, world: World) -> None:
    async def watch(after: str) -> list[str]:
        await asyncio.sleep(random.random() / 5)
        async with api.client(world.token) as client:
            await client.subscribe(after=after)
            return sorted(await client.slots(TOTAL))

    async with api.client(world.token) as client:
        start = client.start_cursor
    slots, *seen = await asyncio.gather(write_much(world), *(watch(start) for _ in range(6)))
    assert seen == [slots] * 6


async def test_who_is_cut_off_again_and_again_misses_nothing(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        cursor = client.start_cursor
    writing = asyncio.create_task(write_much(world))
    seen: list[str] = []
    connections = 0
    while len(seen) < TOTAL:
        connections += 1
        async with api.client(world.token) as client:
            await client.subscribe(after=cursor)
            for _ in range(min(random.randrange(12), TOTAL - len(seen))):
                event = await client.next()
                seen.append(event["result"]["slot"])
                cursor = event["cursor"]
            client.socket.transport.abort()
    assert connections > 20
    assert sorted(seen) == await writing


async def test_who_joins_while_a_page_is_read_for_others_misses_nothing(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def read_slowly(*args: Any) -> AsyncIterator[ShownPage]:
        async with shown_page(*args) as page:
            reading.set()
            await go_on.wait()
            yield page

    async with api.client(world.token) as client:
        await client.subscribe(operation_id="one check", check=world.check(0))
        await api.joined()
        monkeypatch.setattr("graphql_api.live.feeds.shown_page", read_slowly)
        slots = await world.report(check=1)
        await reading.wait()
        await client.subscribe(operation_id="every check", after=client.start_cursor)
        await api.someone_joins()
        go_on.set()
        assert await client.slots(1) == slots


async def test_a_cursor_that_another_process_gave_is_waited_for(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(after=client.start_cursor)
        await api.joined()
        slots = await world.report(count=2, ring=False)
        cursor = cursor_of(world.organization_id, Position(1, 0))
        await client.subscribe(operation_id="ahead", after=cursor)
        messages = [await client.receive() for _ in range(3)]
        events = [(m["id"], m["payload"]["data"]["checkResults"]["result"]["slot"]) for m in messages]
        assert sorted(events) == [("1", slots[0]), ("1", slots[1]), ("ahead", slots[1])]


CURSORS = [
    ("", "INVALID_INPUT"),
    ("not a cursor", "INVALID_INPUT"),
    (encode("check", 1), "INVALID_INPUT"),
    (encode("event", 1, 1), "INVALID_INPUT"),
    (encode("event", 1, 2**80, 0), "INVALID_INPUT"),
    (encode("event", 1, 0, 0), "INVALID_INPUT"),
    (encode("event", 1, 1, -2), "INVALID_INPUT"),
    (encode("event", 1, 1, 0), "CURSOR_EXPIRED"),
    (encode("event", 1, 4, 0), "CURSOR_EXPIRED"),
    (encode("event", 1, 99, 0), "CURSOR_EXPIRED"),
    (encode("event", 77, 2, 0), "CURSOR_EXPIRED"),
]


async def test_a_cursor_that_cannot_be_used_is_refused(api: Api, world: World, owner: asyncpg.Connection) -> None:
    for _ in range(3):
        await world.report()
    await owner.execute("DELETE FROM events WHERE number = 1")
    async with api.client(world.token) as client:
        for cursor, code in CURSORS:
            await client.subscribe(after=cursor)
            assert await client.error() == code, cursor


async def test_a_cursor_of_the_future_is_said_to_be_one(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe(after=cursor_of(world.organization_id, Position(99, 0)))
        assert (await client.whole_error())["message"].startswith("This cursor was never given out")


async def test_a_database_that_drops_its_connections_costs_no_event(
    api: Api, world: World, owner: asyncpg.Connection
) -> None:
    drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tocsin_api'"
    async with api.client(world.token) as client:
        await client.subscribe(after=client.start_cursor)
        slots = await world.report()
        assert await client.slots(1) == slots
        await owner.execute(drop)
        slots = [*await world.report(), *await world.report()]
        assert await client.slots(2) == slots


async def test_a_process_that_slept_too_long_says_that_events_are_gone(
    api: Api, world: World, owner: asyncpg.Connection
) -> None:
    async with api.client(world.token) as client:
        await client.subscribe()
        await api.joined()
        async with owner.transaction():
            await owner.execute("UPDATE event_counters SET number = 7")
        await world.report()
        assert await client.error() == "CURSOR_EXPIRED"
        await client.subscribe()
        await api.joined()
