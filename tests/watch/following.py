"""A feed under observation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.watch.stand_in import TOKEN
from tocsin.watch.address import read_address
from tocsin.watch.feed import Feed
from tocsin.watch.model import Event, ResultSeen, State, apply


class Following:
    """All events that a feed told, and the state that they lead to."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.state = State()
        self._changed = asyncio.Condition()

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.state = apply(self.state, event)
        asyncio.get_running_loop().create_task(self._notify())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(condition)

    @property
    def slots(self) -> list[str]:
        """Of all results that were told."""
        return [event.result.slot.isoformat() for event in self.events if isinstance(event, ResultSeen)]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def following(url: str, token: str = TOKEN, *, loaded: bool = True) -> AsyncIterator[Following]:
    """Follow until the context ends; it begins when the checks are loaded."""
    watched = Following()
    task = asyncio.create_task(Feed(read_address(url), token, watched.tell).run())
    try:
        if loaded:
            await watched.until(lambda: watched.state.organization is not None)
        yield watched
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def follow_to_the_end(url: str, token: str = TOKEN) -> None:
    """Follow until it cannot go on."""
    async with asyncio.timeout(10):
        await Feed(read_address(url), token, lambda _: None).run()
