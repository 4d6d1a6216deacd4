"""All subscribers of one distinct subscription: it is executed once, and each of them gets the same bytes."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from graphql import GraphQLError

from graphql_api.live.cohorts import Cohort, Subscriber
from graphql_api.live.execution import Execution
from graphql_api.live.failures import note_failure
from graphql_api.live.pages import Selection, ShownItem, ShownPage, shown_page
from graphql_api.live.replays import Replays, crashed, slices
from tocsin.services.event_reading import Position

# A subscription that is executed slower than its events come is ended before their rows fill the memory.
_WAITING_ITEMS: Final = 20_000


class Group:
    """Most subscribers are live; who comes with an older position is led up to them."""

    def __init__(
        self,
        organization_id: int,
        selection: Selection,
        execution: Execution,
        position: Position,
        reading: asyncio.Semaphore,
    ) -> None:
        """`reading` bounds how many groups read for replays at once."""
        self.selection = selection
        self.live = Cohort(position)
        self.replays = Replays(self.live, execution, self._read)
        self._organization_id = organization_id
        self._execution = execution
        self._reading = reading
        self._pages: deque[ShownPage] = deque()
        self._waiting_items = 0
        self._work: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.live.everybody or self.replays.cohorts)

    def join(self, subscriber: Subscriber, after: Position | None) -> None:
        """Deliver what comes after a position, or what comes from now on."""
        after = self.live.position if after is None else after
        if after < self.live.position:
            self.replays.join(subscriber, after)
        else:
            # A position further on was told by another process, which has read more than this one.
            self.live.add(subscriber, after)

    def leave(self, subscriber: Subscriber) -> None:
        self.live.remove(subscriber)
        self.replays.leave(subscriber)

    def fail(self, error: GraphQLError) -> None:
        """Tell all subscribers that no more events come."""
        for cohort in (self.live, *self.replays.cohorts):
            for subscriber in cohort.everybody:
                self.leave(subscriber)
                subscriber.fail(error)

    def offer(self, page: ShownPage) -> None:
        """Take the next page of the event log, which begins where the page before ended."""
        items = len(page.select(self.selection))
        if items == 0 and self._work is None:
            self.live.advance(page.end)
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
                items = page.select(self.selection)
                self._waiting_items -= len(items)
                for piece in slices(items):
                    self.live.deliver(piece, await self._execution.execute(piece))
                    await asyncio.sleep(0)
                self.live.advance(page.end)
        except Exception as exc:  # whatever it is, the subscribers must learn that they miss something
            note_failure(exc)
            self.fail(crashed())
        finally:
            self._work = None

    async def _read(self, position: Position) -> tuple[ShownPage, Sequence[ShownItem]]:
        """For replays."""
        until = self.live.position
        async with (
            self._reading,
            shown_page(self._organization_id, position, [self.selection], until=until) as page,
        ):
            return page, page.select(self.selection)


def _too_slow() -> GraphQLError:
    return GraphQLError(
        "The events come faster than this subscription can be executed: ask for less, and go on from your cursor.",
        extensions={"code": "TOO_SLOW"},
    )
