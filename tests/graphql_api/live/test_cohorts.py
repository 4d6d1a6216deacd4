"""Who replays nearby replays together; who reads slowly holds up nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from graphql import GraphQLError

from graphql_api.live.batches import Batch
from graphql_api.live.cursors import cursor_of
from graphql_api.live.execution import Execution
from graphql_api.live.feeds import Membership
from graphql_api.live.hub import Request
from graphql_api.live.pages import ShownPage, shown_page
from graphql_api.live.subscriptions import Watch
from tests.graphql_api.live.harness import RESULTS, Api, World
from tocsin.services.event_reading import Position, start_of


class Reader:
    """A subscriber without a socket, whose client reads or does not."""

    def __init__(self, *, reads: bool = True) -> None:
        self.cursors: list[str] = []
        self.batches = 0
        self.room = asyncio.Event()
        if reads:
            self.room.set()

    @property
    def has_room(self) -> bool:
        return self.room.is_set()

    def deliver(self, batch: Batch) -> None:
        self.batches += 1
        self.cursors += [cursor for cursor, _ in batch.payloads]

    async def drained(self) -> None:
        await self.room.wait()

    def fail(self, error: GraphQLError) -> None:
        raise error

    async def has(self, cursors: list[str]) -> None:
        async with asyncio.timeout(10):
            while len(self.cursors) < len(cursors):  # noqa: ASYNC110 - a reader has no reason to tell
                await asyncio.sleep(0.005)
        assert self.cursors == cursors


async def join(api: Api, world: World, reader: Reader, after: Position) -> Membership:
    """Subscribe to all results after a position."""
    principal = await api.entry.gate.enter(f"Bearer {world.token}")
    request = Request(RESULTS, None, {"after": cursor_of(world.organization_id, after)})
    watch = await api.entry.begin(principal, request, "test")
    assert isinstance(watch, Watch)
    return await api.entry.hub.join(principal, request, watch, reader)


def cursors(world: World, *counts: int) -> list[str]:
    """Of every result of events that brought so many each."""
    positions = [Position(number, item) for number, count in enumerate(counts, 1) for item in range(count)]
    return [cursor_of(world.organization_id, position) for position in positions]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Replays read nothing before it is set."""
    opened = asyncio.Event()

    @asynccontextmanager
    async def read(*args: Any, **options: Any) -> AsyncIterator[ShownPage]:
        await opened.wait()
        async with shown_page(*args, **options) as page:
            yield page

    monkeypatch.setattr("graphql_api.live.groups.shown_page", read)
    return opened


async def test_who_comes_back_at_once_is_led_up_together(
    api: Api, world: World, gate: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[int] = []
    execute = Execution.execute

    async def counting(self: Execution, items: Any) -> Batch:
        executed.append(len(items))
        return await execute(self, items)

    monkeypatch.setattr(Execution, "execute", counting)
    for _ in range(4):
        await world.report(count=40)
    readers = [Reader() for _ in range(9)]
    places = [start_of(1), start_of(1), Position(1, 3), Position(1, 39), start_of(2), Position(2, 7), Position(3, 0)]
    places += [Position(4, 38), start_of(5)]
    for reader, place in zip(readers, places, strict=True):
        await join(api, world, reader, place)
    gate.set()
    everything = cursors(world, 40, 40, 40, 40)
    seen = {place: (place.number - 1) * 40 + place.item + 1 for place in places}
    for reader, place in zip(readers, places, strict=True):
        await reader.has(everything[seen[place] :])
    assert sum(executed) == 160
    await world.report()
    everything = cursors(world, 40, 40, 40, 40, 1)
    for reader, place in zip(readers, places, strict=True):
        await reader.has(everything[seen[place] :])


async def test_who_comes_with_a_much_older_cursor_keeps_nobody_waiting(
    api: Api, world: World, gate: asyncio.Event
) -> None:
    for _ in range(120):
        await world.report(ring=False)
    old, recent = Reader(), Reader()
    await join(api, world, old, start_of(1))
    await join(api, world, recent, start_of(110))
    (group,) = api.groups
    assert len(group.replays.cohorts) == 2
    gate.set()
    await recent.has(cursors(world, *[0] * 109, *[1] * 11))
    await old.has(cursors(world, *[1] * 120))


async def test_a_client_that_reads_slowly_holds_up_nobody(api: Api, world: World, gate: asyncio.Event) -> None:
    await world.report(count=400)
    slow, quick = Reader(reads=False), Reader()
    await join(api, world, slow, start_of(1))
    await join(api, world, quick, Position(1, 9))
    gate.set()
    everything = cursors(world, 400)
    await quick.has(everything[10:])
    assert slow.cursors == []
    slow.room.set()
    await slow.has(everything)


async def test_leaving_ends_a_replay_that_nobody_else_needs(api: Api, world: World, gate: asyncio.Event) -> None:
    await world.report()
    first = await join(api, world, Reader(), start_of(1))
    second = await join(api, world, Reader(), start_of(1))
    (group,) = api.groups
    first.leave()
    assert len(group.replays.cohorts) == 1
    second.leave()
    assert not group.replays.cohorts
    assert api.groups == []


async def test_a_replay_survives_a_database_that_is_away(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OSError(), ConnectionResetError()])

    @asynccontextmanager
    async def read(*args: Any, **options: Any) -> AsyncIterator[ShownPage]:
        if failure := next(failures, None):
            raise failure
        async with shown_page(*args, **options) as page:
            yield page

    monkeypatch.setattr("graphql_api.live.groups.shown_page", read)
    monkeypatch.setattr("graphql_api.live.replays.RETRY_SECONDS", 0.01)
    await world.report(count=3)
    reader = Reader()
    await join(api, world, reader, start_of(1))
    await reader.has(cursors(world, 3))


async def test_a_subscription_that_is_executed_too_slowly_is_ended_with_a_reason(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    execute = Execution.execute

    async def slowly(self: Execution, items: Any) -> Batch:
        await go_on.wait()
        return await execute(self, items)

    monkeypatch.setattr(Execution, "execute", slowly)
    monkeypatch.setattr("graphql_api.live.groups._WAITING_ITEMS", 100)
    async with api.client(world.token) as client:
        await client.subscribe()
        await api.joined()
        for _ in range(4):
            await world.report(count=60)
        assert await client.error() == "TOO_SLOW"
        go_on.set()
    assert api.groups == []
