"""Equal subscriptions share one execution, and each subscriber gets the same bytes but for the id."""

from collections.abc import Sequence

import pytest
from websockets.frames import Frame
from websockets.streams import StreamReader

from graphql_api.live.batches import Batch
from graphql_api.live.execution import Execution
from graphql_api.live.pages import ShownItem
from tests.graphql_api.live.harness import RESULTS, Api, World


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each execution was for."""
    counts: list[int] = []
    execute = Execution.execute

    async def counting(self: Execution, items: Sequence[ShownItem]) -> Batch:
        counts.append(len(items))
        return await execute(self, items)

    monkeypatch.setattr(Execution, "execute", counting)
    return counts


async def test_equal_subscriptions_are_executed_once(api: Api, world: World, executed: list[int]) -> None:
    async with api.client(world.token) as client, api.client(world.token) as other:
        for number in range(20):
            await client.subscribe(operation_id=f"a{number}")
            await other.subscribe(operation_id=f"{number}")
        await api.joined(40)
        slots = await world.report(count=3)
        assert await client.slots(60) == await other.slots(60)
        assert len(slots) == sum(executed) == 3


async def test_subscriptions_that_differ_in_their_cursor_alone_are_equal(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await world.report()
        await client.subscribe(operation_id="1", after=client.start_cursor)
        await client.subscribe(operation_id="2")
        await client.subscribe(operation_id="3", after=None)
        await api.joined(3)
        assert len(api.groups) == 1


@pytest.mark.parametrize(
    ("query", "variables"),
    [(RESULTS, {"check": "0"}), (RESULTS + " ", {}), (RESULTS.replace("cursor", "cursor __typename"), {})],
)
async def test_other_documents_and_variables_are_executed_apart(
    api: Api, world: World, query: str, variables: dict[str, str]
) -> None:
    variables = {name: world.check(int(number)) for name, number in variables.items()}
    async with api.client(world.token) as client:
        await client.subscribe(operation_id="1")
        await client.subscribe(query, operation_id="2", **variables)
        await api.joined(2)
        assert len(api.groups) == 2


async def test_who_may_see_less_shares_nothing_with_who_may_see_more(api: Api, world: World) -> None:
    async with api.client(world.token) as client, api.client(world.reading_token) as other:
        await client.subscribe()
        await other.subscribe()
        await api.joined(2)
        assert len(api.groups) == 2


async def test_a_variable_that_gives_more_than_the_cursor_keeps_subscriptions_apart(api: Api, world: World) -> None:
    query = """
    subscription ($x: String) { checkResults(after: $x) { check { results(after: $x) { nodes { slot } } } } }
    """
    async with api.client(world.token) as client:
        await client.subscribe(query, operation_id="1")
        await client.subscribe(query, operation_id="2", x=client.start_cursor)
        await api.joined(2)
        assert len(api.groups) == 2


async def test_nothing_is_followed_once_everybody_has_left(api: Api, world: World) -> None:
    async with api.client(world.token) as client:
        await client.subscribe()
        await api.joined()
    await api.joined(0)
    assert api.groups == []


@pytest.mark.parametrize("length", [0, 10, 75, 76, 77, 200, 65_480, 65_485, 65_490, 70_000])
def test_frames_are_what_a_websocket_client_expects(length: int) -> None:
    payloads = [b"%d" % 7, b"x" * length, b"{}"]
    reader = StreamReader()
    reader.feed_data(Batch([("", payload) for payload in payloads]).frames(b'"id"'))
    reader.feed_eof()
    assert [_parse(reader) for _ in payloads] == [
        b'{"type":"next","id":"id","payload":%b}' % payload for payload in payloads
    ]
    assert next(reader.at_eof(), True)


def _parse(reader: StreamReader) -> bytes:
    parser = Frame.parse(reader.read_exact, mask=False, max_size=None)
    try:
        next(parser)
    except StopIteration as parsed:
        frame: Frame = parsed.value
        assert frame.fin
        return bytes(frame.data)
    raise AssertionError("the frame is not complete")
