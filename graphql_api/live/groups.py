"""All subscribers of one distinct subscription: it is executed once, and each of them gets the same bytes."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from graphql import GraphQLError

from graphql_api.live.cohorts import Cohort, Subscriber
from graphql_api.live.cursors import cursor_expired
from graphql_api.live.execution import SLICE, Execution
from graphql_api.live.failures import RETRY_SECONDS, note_failure
from graphql_api.live.pages import Selection, ShownItem, ShownPage, shown_page
from tocsin.services.event_reading import CursorExpiredError, Position

# A subscription that is executed slower than its events come is ended before their rows fill the memory.
_WAITING_ITEMS: Final = 20_000
# Whoever replays waits for at most so many events of others who replay before it: after a restart, all come at once.
_NEARBY_EVENTS: Final = 100
# Who has no room after all of these pauses replays alone.
_PATIENCE_SECONDS: Final = (0, 0.001, 0.005, 0.02, 0.05)


class Group:
    """Most subscribers are live; who comes with an older position is led up to them.

    Nobody is led past the position of those who are live, and whoever has reached it joins them at once, with no
    event in between.
    """

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
        self._organization_id = organization_id
        self._execution = execution
        self._reading = reading
        self._replays: dict[Cohort, asyncio.Task[None]] = {}
        self._pages: deque[ShownPage] = deque()
        self._waiting_items = 0
        self._work: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.live.everybody or self._replays)

    def join(self, subscriber: Subscriber, after: Position | None) -> None:
        """Deliver what comes after a position, or what comes from now on."""
        # A position further on was told by another process, which has read more than this one.
        after = self.live.position if after is None else after
        cohort = self.live if after >= self.live.position else self._cohort_near(after)
        cohort.add(subscriber, after)

    def leave(self, subscriber: Subscriber) -> None:
        self.live.remove(subscriber)
        for cohort, replay in tuple(self._replays.items()):
            cohort.remove(subscriber)
            if not cohort.everybody:
                replay.cancel()
                del self._replays[cohort]

    def fail(self, error: GraphQLError) -> None:
        """Tell all subscribers that no more events come."""
        for cohort in (self.live, *self._replays):
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
                for piece in _slices(items):
                    self.live.deliver(piece, await self._execution.execute(piece))
                    await asyncio.sleep(0)
                self.live.advance(page.end)
        except Exception as exc:  # whatever it is, the subscribers must learn that they miss something
            note_failure(exc)
            self.fail(_crashed())
        finally:
            self._work = None

    def _cohort_near(self, after: Position) -> Cohort:
        for cohort in self._replays:
            is_near = cohort.position <= after and after.number - cohort.position.number <= _NEARBY_EVENTS
            if is_near and not cohort.alone:
                return cohort
        return self._begin_replay(Cohort(after))

    def _begin_replay(self, cohort: Cohort) -> Cohort:
        self._replays[cohort] = asyncio.create_task(self._replay(cohort))
        return cohort

    async def _replay(self, cohort: Cohort) -> None:
        """Lead a cohort up to those who are live."""
        error: GraphQLError | None = None
        try:
            while cohort.position < self.live.position:
                page = await self._read(cohort.position)
                for piece in _slices(page.select(self.selection)):
                    await self._wait_for_room(cohort)
                    cohort.deliver(piece, await self._execution.execute(piece))
                cohort.advance(page.end)
        except CursorExpiredError:
            error = cursor_expired()
        except Exception as exc:  # as for the others
            note_failure(exc)
            error = _crashed()
        # Nothing was awaited since the positions were found equal.
        del self._replays[cohort]
        if error is None:
            cohort.move_to(self.live)
        else:
            for subscriber in cohort.everybody:
                subscriber.fail(error)

    async def _wait_for_room(self, cohort: Cohort) -> None:
        """A client that reads slowly is waited for where nobody else has to."""
        if cohort.alone:
            for subscriber in cohort.everybody:
                await subscriber.drained()
            return
        for pause in _PATIENCE_SECONDS:
            if all(subscriber.has_room for subscriber in cohort.everybody):
                return
            await asyncio.sleep(pause)
        for subscriber in cohort.everybody:
            if not subscriber.has_room:
                self._part(subscriber, cohort)

    def _part(self, subscriber: Subscriber, cohort: Cohort) -> None:
        position = cohort.position_of(subscriber)
        cohort.remove(subscriber)
        self._begin_replay(Cohort(position, alone=True)).add(subscriber, position)

    async def _read(self, position: Position) -> ShownPage:
        """The next page of a replay; while the database is away, tried again and again."""
        while True:
            try:
                return await self._read_once(position)
            except CursorExpiredError:
                raise
            except Exception as exc:  # no failure may leave out an event
                note_failure(exc)
            await asyncio.sleep(RETRY_SECONDS)

    async def _read_once(self, position: Position) -> ShownPage:
        async with (
            self._reading,
            shown_page(self._organization_id, position, [self.selection], until=self.live.position) as page,
        ):
            return page


def _slices(items: Sequence[ShownItem]) -> Iterator[Sequence[ShownItem]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))


def _too_slow() -> GraphQLError:
    return GraphQLError(
        "The events come faster than this subscription can be executed: ask for less, and go on from your cursor.",
        extensions={"code": "TOO_SLOW"},
    )


def _crashed() -> GraphQLError:
    return GraphQLError("Something went wrong on our side.", extensions={"code": "INTERNAL_ERROR"})
