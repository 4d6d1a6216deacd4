"""Subscriptions over server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from graphql_api.live.event_stream import EventStream
from tests.graphql_api.live.harness import RESULTS, Api, World
from tocsin.domain.global_ids import encode


@dataclass
class Event:
    """One server-sent event; None for a field that it does not have."""

    event: str | None = None
    id: str | None = None
    data: str | None = None

    @property
    def payload(self) -> Any:
        return json.loads(self.data or "")

    @property
    def slot(self) -> str:
        return str(self.payload["data"]["checkResults"]["result"]["slot"])


@dataclass
class Stream:
    """Reads the events of a response."""

    response: httpx.Response

    def __post_init__(self) -> None:
        self._lines = self.response.aiter_lines()

    async def next(self) -> Event:
        event = Event()
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(":")
                if line == "":
                    return event
                if name:
                    setattr(event, name, value.removeprefix(" "))
        raise EOFError

    async def events(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def stream(
    api: Api,
    token: str,
    query: str = RESULTS,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    **variables: Any,
) -> AsyncIterator[Stream]:
    operation: dict[str, Any] = {"query": query, "variables": variables}
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token}"} | (headers or {})
    if method == "GET":
        options: dict[str, Any] = {"params": operation | {"variables": json.dumps(variables)}}
    else:
        options = {"json": operation}
    async with (
        httpx.AsyncClient(base_url=api.url, trust_env=False) as client,
        client.stream(method, "/graphql/stream", headers=headers, timeout=10, **options) as response,
    ):
        yield Stream(response)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_events_arrive_with_their_cursors_as_ids(api: Api, world: World, method: str) -> None:
    async with stream(api, world.token, method=method) as events:
        assert events.response.headers["content-type"].startswith("text/event-stream")
        await events.next()
        (slot,) = await world.report()
        event = await events.next()
        assert (event.event, event.slot) == ("next", slot)
        assert event.id == event.payload["data"]["checkResults"]["cursor"]


async def test_the_stream_begins_with_the_id_of_the_present(api: Api, world: World) -> None:
    async with stream(api, world.token) as events:
        beginning = await events.next()
        assert (beginning.event, beginning.data) == (None, None)
    slots = await world.report(count=2)
    async with stream(api, world.token, headers={"Last-Event-ID": beginning.id or ""}) as events:
        assert [event.slot for event in await events.events(2)] == slots


async def test_the_last_event_id_counts_more_than_the_argument(api: Api, world: World) -> None:
    slots = await world.report(count=3)
    seen = encode("event", world.organization_id, 1, 1)
    first = encode("event", world.organization_id, 1, -1)
    async with stream(api, world.token, after=first) as events:
        assert [event.slot for event in await events.events(3)] == slots
    async with stream(api, world.token, headers={"Last-Event-ID": seen}, after=first) as events:
        assert (await events.next()).slot == slots[2]


async def test_who_is_cut_off_again_and_again_misses_nothing(api: Api, world: World) -> None:
    async def write() -> list[str]:
        slots = []
        for _ in range(60):
            slots += await world.report(count=2)
            await asyncio.sleep(0.01)
        return slots

    async with stream(api, world.token) as events:
        last = (await events.next()).id or ""
    writing = asyncio.create_task(write())
    seen: list[str] = []
    while len(seen) < 120:
        async with stream(api, world.token, headers={"Last-Event-ID": last}) as events:
            for event in await events.events(min(6, 120 - len(seen))):
                seen.append(event.slot)
                last = event.id or ""
    assert seen == await writing


async def test_streams_and_sockets_share_executions(api: Api, world: World) -> None:
    async with stream(api, world.token) as events, api.client(world.token) as client:
        await events.next()
        await client.subscribe()
        await api.joined(2)
        assert len(api.groups) == 1


async def test_a_query_ends_its_stream(api: Api, world: World) -> None:
    async with stream(api, world.token, "{ viewer { organization { name } } }") as events:
        answer, end = await events.events(2)
        assert answer.payload == {"data": {"viewer": {"organization": {"name": "acme"}}}}
        assert (end.event, end.data) == ("complete", "")
        with pytest.raises(EOFError):
            await events.next()


@pytest.mark.parametrize(("method", "made"), [("POST", 1), ("GET", 0)])
async def test_nothing_is_changed_by_an_address(
    api: Api, world: World, owner: asyncpg.Connection, method: str, made: int
) -> None:
    mutation = 'mutation { createSite(input: {name: "new"}) { __typename } }'
    async with stream(api, world.token, mutation, method) as events:
        answer = await events.next()
        assert ("errors" in answer.payload) is not bool(made)
    assert await owner.fetchval("SELECT count(*) FROM sites WHERE name = 'new'") == made


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("subscription {", {}, "GRAPHQL_PARSE_FAILED"),
    ("subscription { nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
    (RESULTS, {"check": "nonsense"}, "NOT_FOUND"),
    (RESULTS, {"after": "nonsense"}, "INVALID_INPUT"),
    (RESULTS, {"after": encode("event", 77, 1, 1)}, "CURSOR_EXPIRED"),
]


async def test_what_is_refused_is_an_event_too(api: Api, world: World) -> None:
    for query, variables, code in REFUSED:
        async with stream(api, world.token, query, **variables) as events:
            answer, end = await events.events(2)
            assert answer.payload["errors"][0]["extensions"]["code"] == code
            assert end.event == "complete"


async def test_a_request_that_cannot_be_streamed_is_refused(api: Api, world: World) -> None:
    refused = [
        ("Authorization", "Bearer wrong", 401),
        ("Accept", "application/json", 406),
        ("Content-Type", "text/plain", 415),
    ]
    for header, value, status in refused:
        async with stream(api, world.token, headers={header: value}) as events:
            assert events.response.status_code == status


async def test_a_stream_ends_with_its_token(api: Api, world: World, owner: asyncpg.Connection) -> None:
    async with stream(api, world.token) as events:
        await events.next()
        await api.joined()
        await owner.execute("UPDATE api_tokens SET revoked_at = now()")
        answer, end = await events.events(2)
        assert answer.payload["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert end.event == "complete"
    await api.joined(0)


async def test_a_client_that_leaves_is_forgotten(api: Api, world: World) -> None:
    async with stream(api, world.token) as events:
        await events.next()
        await api.joined()
    await api.joined(0)
    assert api.groups == []


async def test_a_server_that_stops_ends_its_streams_so_that_clients_come_back(api: Api, world: World) -> None:
    async with stream(api, world.token) as events:
        await events.next()
        api.entry.end_streams()
        with pytest.raises(EOFError):
            await events.next()


async def test_a_silent_stream_sends_comments(api: Api, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphql_api.live.event_stream._SILENCE_SECONDS", 0.05)
    async with stream(api, world.token) as events:
        await events.next()
        lines = [await anext(events._lines) for _ in range(2)]
        assert lines == [":", ""]


async def test_a_stream_that_is_not_read_is_ended_without_being_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphql_api.live.event_stream.UNREAD_BYTES", 100)
    events = EventStream("request")
    for _ in range(3):
        events.begin_at("x" * 40)
    assert [chunk async for chunk in events.chunks()] == []
