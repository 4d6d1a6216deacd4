"""The hub: one for an API process. It learns that there is news, and leads it to whoever subscribed."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
import strawberry
import structlog

from graphql_api.context import Context
from graphql_api.errors import is_away
from graphql_api.live.cohorts import Subscriber
from graphql_api.live.execution import Execution
from graphql_api.live.failures import RETRY_SECONDS, note_failure
from graphql_api.live.feeds import Feed, Membership
from graphql_api.live.groups import Group
from graphql_api.live.subscriptions import Watch
from tocsin.database import no_organization
from tocsin.doorbell import Doorbell
from tocsin.services.accounts import Principal
from tocsin.services.event_reading import Position, newest_positions

# How often the hub looks for itself: nothing depends on the doorbell.
_LOOK_SECONDS: Final = 1.0
# Replays leave most of the connections to the database to others.
_REPLAYS_AT_ONCE: Final = 3

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """An operation as a client sends it."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None


class Hub:
    """Follows the event logs of the organizations that have subscribers."""

    def __init__(
        self, schema: strawberry.Schema, doorbell: Doorbell, make_context: Callable[[Principal], Context]
    ) -> None:
        self._schema = schema
        self._doorbell = doorbell
        self._make_context = make_context
        self._feeds: dict[int, Feed] = {}
        self._away = False
        self._reading = asyncio.Semaphore(_REPLAYS_AT_ONCE)

    async def run(self) -> None:
        """Follow the event logs until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._look())
        finally:
            for feed in self._feeds.values():
                await feed.close()

    async def join(self, principal: Principal, request: Request, watch: Watch, subscriber: Subscriber) -> Membership:
        """Deliver what a subscription shows, together with all who asked for the same."""
        variables = {k: v for k, v in (request.variables or {}).items() if k != watch.after_variable}
        # Who may see the same sees the same: the token itself is no part of it.
        viewer = replace(principal, token_id=0, token_name="", expires_at=None)
        key = (viewer, request.query, request.operation_name, orjson.dumps(variables, option=orjson.OPT_SORT_KEYS))
        feed = self._feed(principal.organization_id)

        def make(position: Position) -> Group:
            execution = Execution(self._schema, watch.document, request.variables or {}, self._make_context(viewer))
            return Group(feed.organization_id, watch.selection, execution, position, self._reading)

        return await feed.join(key, subscriber, watch.after, make)

    def _feed(self, organization_id: int) -> Feed:
        return self._feeds.setdefault(organization_id, Feed(organization_id))

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except Exception as exc:  # the doorbell survives what can be foreseen
                note_failure(exc)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_once(self) -> None:
        async with aclosing(self._doorbell.listen()) as rung:
            async for organization_ids in rung:
                for organization_id in organization_ids:
                    if feed := self._feeds.get(organization_id):
                        feed.wake()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self._look_at_numbers()
            except Exception as exc:  # the next look may do better
                note_failure(exc)
                self._tell(away=is_away(exc))
            else:
                self._tell(away=False)

    def _tell(self, *, away: bool) -> None:
        """Say once that subscribers wait for the database, and once that they need not any more."""
        if away and not self._away:
            _logger.warning("live_updates_wait", consequence="nothing is lost; they go on when the database answers")
        elif self._away and not away:
            _logger.info("live_updates_go_on")
        self._away = away

    async def _look_at_numbers(self) -> None:
        followed = [feed.organization_id for feed in self._feeds.values() if feed.is_followed]
        if not followed:
            return
        async with no_organization() as connection:
            positions = await newest_positions(connection, followed)
        for organization_id, position in positions.items():
            if position > self._feeds[organization_id].position:
                self._feeds[organization_id].wake()
