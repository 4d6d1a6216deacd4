"""Leads subscribers of one group from where they stand up to those who are live."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from graphql import GraphQLError

from graphql_api.live.cohorts import Cohort, Subscriber
from graphql_api.live.cursors import cursor_expired
from graphql_api.live.execution import SLICE, Execution
from graphql_api.live.failures import RETRY_SECONDS, note_failure
from graphql_api.live.pages import ShownItem, ShownPage
from tocsin.services.event_reading import CursorExpiredError, Position

# Whoever replays waits for at most so many events of others who replay before it: after a restart, all come at once.
_NEARBY_EVENTS: Final = 100
# Who has no room after all of these pauses replays alone.
_PATIENCE_SECONDS: Final = (0, 0.001, 0.005, 0.02, 0.05)

ReadPage = Callable[[Position], Awaitable[tuple[ShownPage, Sequence[ShownItem]]]]
"""Reads the next page after a position, up to where those are who are live, and what the group shows of it."""


class Replays:
    """Cohorts on their way. Nobody is led past those who are live.

    Whoever has reached their position joins them at once, with nothing awaited in between, and so no event either.
    """

    def __init__(self, live: Cohort, execution: Execution, read: ReadPage) -> None:
        self._live = live
        self._execution = execution
        self._read = read
        self._tasks: dict[Cohort, asyncio.Task[None]] = {}

    @property
    def cohorts(self) -> tuple[Cohort, ...]:
        return tuple(self._tasks)

    def join(self, subscriber: Subscriber, after: Position) -> None:
        """Lead somebody on, together with others who stand nearby."""
        self._cohort_near(after).add(subscriber, after)

    def leave(self, subscriber: Subscriber) -> None:
        for cohort, task in tuple(self._tasks.items()):
            cohort.remove(subscriber)
            if not cohort.everybody:
                task.cancel()
                del self._tasks[cohort]

    def _cohort_near(self, after: Position) -> Cohort:
        for cohort in self._tasks:
            is_near = cohort.position <= after and after.number - cohort.position.number <= _NEARBY_EVENTS
            if is_near and not cohort.alone:
                return cohort
        return self._begin(Cohort(after))

    def _begin(self, cohort: Cohort) -> Cohort:
        self._tasks[cohort] = asyncio.create_task(self._lead(cohort))
        return cohort

    async def _lead(self, cohort: Cohort) -> None:
        error = await self._lead_on(cohort)
        # Nothing was awaited since the positions were found equal.
        del self._tasks[cohort]
        if error is None:
            cohort.move_to(self._live)
            return
        for subscriber in cohort.everybody:
            subscriber.fail(error)

    async def _lead_on(self, cohort: Cohort) -> GraphQLError | None:
        """Lead a cohort to those who are live; return why it cannot be."""
        try:
            while cohort.position < self._live.position:
                page, items = await self._read_again_and_again(cohort.position)
                for piece in slices(items):
                    await self._wait_for_room(cohort)
                    cohort.deliver(piece, await self._execution.execute(piece))
                cohort.advance(page.end)
        except CursorExpiredError:
            return cursor_expired()
        except Exception as exc:  # whatever it is, the subscribers must learn that they miss something
            note_failure(exc)
            return crashed()
        return None

    async def _read_again_and_again(self, position: Position) -> tuple[ShownPage, Sequence[ShownItem]]:
        while True:
            try:
                return await self._read(position)
            except CursorExpiredError:
                raise
            except Exception as exc:  # no failure may leave out an event
                note_failure(exc)
            await asyncio.sleep(RETRY_SECONDS)

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
        self._begin(Cohort(position, alone=True)).add(subscriber, position)


def slices(items: Sequence[ShownItem]) -> Iterator[Sequence[ShownItem]]:
    """So few items at a time that executing them keeps nobody else waiting for long."""
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))


def crashed() -> GraphQLError:
    return GraphQLError("Something went wrong on our side.", extensions={"code": "INTERNAL_ERROR"})
