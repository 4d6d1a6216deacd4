"""All subscribers of one distinct subscription: it is executed once, and each of them gets the same bytes."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from graphql import GraphQLError

from graphql_api.live.batches import Batch
from graphql_api.live.cursors import cursor_expired
from graphql_api.live.execution import SLICE, Execution
from graphql_api.live.failures import RETRY_SECONDS, note_failure
from graphql_api.live.pages import Selection, ShownItem, ShownPage, read_shown_page
from tocsin.services.event_reading import CursorExpiredError, Position

# A subscription that is executed slower than its events come is ended before their rows fill the memory.
_WAITING_ITEMS: Final = 20_000


class Subscriber(Protocol):
    """Whoever gets the events of one subscription."""

    def deliver(self, batch: Batch) -> None:
        """Take some events, at once."""

    async def drained(self) -> None:
        """Wait until there is room for more."""

    def fail(self, error: GraphQLError) -> None:
        """Learn that no more events come."""


class Group:
    """The subscribers stand at one position; who comes with an older one is led up to it alone.

    Nobody is led past the group's position, and whoever has reached it joins at once, with no event in between.
    """

    def __init__(
        self,
        organization_id: int,
        selection: Selection,
        execution: Execution,
        position: Position,
        replays: asyncio.Semaphore,
    ) -> None:
        self.selection = selection
        self.position = position
        self._organization_id = organization_id
        self._execution = execution
        self._replays = replays
        self._subscribers: dict[Subscriber, None] = {}
        self._ahead: dict[Subscriber, Position] = {}
        self._replaying: dict[Subscriber, asyncio.Task[None]] = {}
        self._pages: deque[ShownPage] = deque()
        self._waiting_items = 0
        self._work: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        return not (self._subscribers or self._ahead or self._replaying)

    def join(self, subscriber: Subscriber, after: Position | None) -> None:
        """Deliver what comes after a position, or what comes from now on."""
        if after is None or after == self.position:
            self._subscribers[subscriber] = None
        elif after > self.position:
            # It was told by another process, which has read further than this one.
            self._ahead[subscriber] = after
        else:
            self._replaying[subscriber] = asyncio.create_task(self._replay(subscriber, after))

    def leave(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(subscriber, None)
        self._ahead.pop(subscriber, None)
        if task := self._replaying.pop(subscriber, None):
            task.cancel()

    def fail(self, error: GraphQLError) -> None:
        """Tell all subscribers that no more events come."""
        for subscriber in (*self._subscribers, *self._ahead, *self._replaying):
            self.leave(subscriber)
            subscriber.fail(error)

    def offer(self, page: ShownPage) -> None:
        """Take the next page of the event log, which begins where the page before ended."""
        items = len(page.select(self.selection))
        if items == 0 and self._work is None:
            self._advance(page.end)
            return
        self._pages.append(page)
        self._waiting_items += items
        if self._waiting_items > _WAITING_ITEMS:
            self.fail(_too_slow())
        elif self._work is None:
            self._work = asyncio.create_task(self._show_pages())

    async def shown(self) -> None:
        """Wait until the pages that were offered so far are shown."""
        if self._work is not None:
            await asyncio.wait([self._work])

    def close(self) -> None:
        """Stop; nobody is left."""
        self._pages.clear()
        if self._work is not None:
            self._work.cancel()

    async def _show_pages(self) -> None:
        try:
            while self._pages:
                page = self._pages.popleft()
                await self._show(page)
        except Exception as exc:  # whatever it is, the subscribers must learn that they miss something
            note_failure(exc)
            self.fail(_crashed())
        finally:
            self._work = None

    async def _show(self, page: ShownPage) -> None:
        items = page.select(self.selection)
        self._waiting_items -= len(items)
        for piece in _slices(items):
            self._deliver(piece, await self._execution.execute(piece))
            self._advance(piece[-1].position)
            await asyncio.sleep(0)
        self._advance(page.end)

    def _deliver(self, items: Sequence[ShownItem], batch: Batch) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber.deliver(batch)
        for subscriber, position in tuple(self._ahead.items()):
            unseen = [payload for item, payload in zip(items, batch.payloads, strict=True) if item.position > position]
            if unseen:
                subscriber.deliver(Batch(unseen))

    def _advance(self, position: Position) -> None:
        self.position = position
        for subscriber in [subscriber for subscriber, ahead in self._ahead.items() if ahead <= position]:
            del self._ahead[subscriber]
            self._subscribers[subscriber] = None

    async def _replay(self, subscriber: Subscriber, position: Position) -> None:
        """Lead one subscriber up to the others."""
        error: GraphQLError | None = None
        try:
            while position < self.position:
                page = await self._read(position)
                for piece in _slices(page.select(self.selection)):
                    subscriber.deliver(await self._execution.execute(piece))
                    await subscriber.drained()
                position = page.end
        except CursorExpiredError:
            error = cursor_expired()
        except Exception as exc:  # as for the others
            note_failure(exc)
            error = _crashed()
        # Nothing was awaited since the positions were found equal.
        del self._replaying[subscriber]
        if error is None:
            self._subscribers[subscriber] = None
        else:
            subscriber.fail(error)

    async def _read(self, position: Position) -> ShownPage:
        """The next page of a replay; while the database is away, tried again and again."""
        while True:
            try:
                async with self._replays:
                    return await read_shown_page(self._organization_id, position, [self.selection], until=self.position)
            except CursorExpiredError:
                raise
            except Exception as exc:  # no failure may leave out an event
                note_failure(exc)
            await asyncio.sleep(RETRY_SECONDS)


def _slices(items: Sequence[ShownItem]) -> Iterator[Sequence[ShownItem]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))


def _too_slow() -> GraphQLError:
    return GraphQLError(
        "The events come faster than this subscription can be executed: ask for less, and go on from your cursor.",
        extensions={"code": "TOO_SLOW"},
    )


def _crashed() -> GraphQLError:
    return GraphQLError("Something went wrong on our side.", extensions={"code": "INTERNAL_ERROR"})
