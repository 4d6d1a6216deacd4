"""One organization's event log, followed for all who subscribed to any of it."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

from prometheus_client import Histogram

from graphql_api.live.cohorts import Subscriber
from graphql_api.live.cursors import cursor_expired
from graphql_api.live.failures import RETRY_SECONDS, note_failure
from graphql_api.live.groups import Group
from graphql_api.live.pages import ShownPage, shown_page
from tocsin.database import read_transaction
from tocsin.services.event_reading import CursorExpiredError, Position, newest_position, start_of

EVENT_LAG: Final = Histogram(
    "tocsin_api_event_lag_seconds", "From the writing of an event to its reading for those who subscribed."
)


class Feed:
    """Reads what is new once, and offers it to every group of subscribers."""

    def __init__(self, organization_id: int) -> None:
        self.organization_id = organization_id
        self.position = start_of(1)
        self._groups: dict[Hashable, Group] = {}
        # A page is read for the groups that are there when it is asked for: none may come in between.
        self._reading = asyncio.Lock()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_followed(self) -> bool:
        return bool(self._groups)

    def wake(self) -> None:
        """There may be news."""
        self._news.set()

    async def join(
        self, key: Hashable, subscriber: Subscriber, after: Position | None, make: Callable[[Position], Group]
    ) -> "Membership":
        """Deliver to a subscriber, together with others of the same key. `make` makes the first one's group."""
        async with self._reading:
            if not self._groups:
                await self._start()
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = make(self.position)
            group.join(subscriber, after)
        return Membership(self, key, group, subscriber)

    async def _start(self) -> None:
        """Begin with what comes from now on."""
        async with read_transaction(self.organization_id) as connection:
            self.position = await newest_position(connection, self.organization_id)
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    def prune(self, key: Hashable, group: Group) -> None:
        """Forget a group when nobody is left in it."""
        if group.is_empty and self._groups.get(key) is group:
            group.close()
            del self._groups[key]

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for group in self._groups.values():
            group.close()

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._read_news()
            except CursorExpiredError:
                self._restart()
            except Exception as exc:  # whatever it is, it is tried again: no failure may leave out an event
                note_failure(exc)
                await asyncio.sleep(RETRY_SECONDS)
                self.wake()

    async def _read_news(self) -> None:
        page: ShownPage | None = None
        while page is None or page.has_more:
            async with self._reading:
                if not self._groups:
                    return
                selections = {group.selection for group in self._groups.values()}
                async with shown_page(self.organization_id, self.position, selections) as page:
                    self.position = page.end
                    groups = tuple(self._groups.values())
                    for group in groups:
                        group.offer(page)
            if page.lag is not None:
                EVENT_LAG.observe(page.lag.total_seconds())
            if page.has_more:
                await asyncio.gather(*(group.shown() for group in groups))

    def _restart(self) -> None:
        """Begin anew: the process slept for longer than events are kept."""
        groups, self._groups = self._groups, {}
        for group in groups.values():
            group.fail(cursor_expired())
            group.close()


class Membership:
    """A subscriber's place in a group."""

    def __init__(self, feed: Feed, key: Hashable, group: Group, subscriber: Subscriber) -> None:
        self._feed = feed
        self._key = key
        self._group = group
        self._subscriber = subscriber

    def leave(self) -> None:
        """Get nothing more; doing so twice changes nothing."""
        self._group.leave(self._subscriber)
        self._feed.prune(self._key, self._group)
