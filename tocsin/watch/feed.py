"""What happens, as the API tells it: the checks as they are, then every event, also across connections that end."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from tocsin.watch.address import Address
from tocsin.watch.client import Session, open_session
from tocsin.watch.errors import ApiAwayError, CursorExpiredError, WatchError, WrongAddressError
from tocsin.watch.model import Check, ConnectionLost, Event, Loaded, ResultSeen
from tocsin.watch.wire import (
    CHECKS,
    CHECKS_WITH_RESULTS,
    SUBSCRIPTIONS,
    Json,
    next_page,
    read_checks,
    read_clock,
    read_event,
    read_organization,
)

Emit = Callable[[Event], None]

RELOAD_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 15.0
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 10.0
_QUESTION: Final = "checks"


class _Pages(NamedTuple):
    """How the checks are asked for."""

    query: str
    size: int


_AGAIN: Final = _Pages(CHECKS, 100)
# The results of each check are a statement of their own in the database.
_AT_FIRST: Final = _Pages(CHECKS_WITH_RESULTS, 50)


class Feed:
    """Knows how far each subscription has come, so that the next connection goes on from there."""

    def __init__(self, address: Address, token: str, emit: Emit) -> None:
        self._address = address
        self._token = token
        self._emit = emit
        self._cursors: dict[str, str] = {}
        self._known: set[str] = set()
        self._told: set[str] = set()
        self._reload_at = 0.0
        self._failures = 0
        self._known_address = False

    async def run(self) -> None:
        """Tell what happens until cancelled. Raises WatchError."""
        while True:
            try:
                async with open_session(self._address, self._token) as session:
                    await self._follow(session)
            except CursorExpiredError:
                self._cursors.clear()
            except WrongAddressError as exc:
                if not self._known_address:
                    raise WatchError(str(exc)) from exc
                await self._wait(str(exc))
            except ApiAwayError as exc:
                await self._wait(str(exc))

    async def _follow(self, session: Session) -> None:
        self._known_address = True
        if self._cursors:
            await self._load(session, _AGAIN)
        else:
            await self._load(session, _AT_FIRST)
            self._cursors = dict.fromkeys(SUBSCRIPTIONS, session.cursor)
        for subscription, query in SUBSCRIPTIONS.items():
            await session.begin(subscription, query, {"after": self._cursors[subscription]})
        self._failures = 0
        while True:
            while (received := await session.receive(self._reload_at)) is not None:
                self._tell(*received)
            await self._load(session, _AGAIN)

    async def _load(self, session: Session, pages: _Pages) -> None:
        self._told.clear()
        checks: list[Check] = []
        after, more = None, True
        while more:
            data = await self._ask(session, pages.query, {"first": pages.size, "after": after})
            checks += read_checks(data)
            after = next_page(data)
            more = after is not None
        self._known.update(check.named.id for check in checks)
        self._emit(Loaded(read_organization(data), tuple(checks), _clock_lead(data), frozenset(self._told)))
        self._reload_at = asyncio.get_running_loop().time() + RELOAD_SECONDS

    async def _ask(self, session: Session, query: str, variables: Mapping[str, Any]) -> Json:
        """The answer to a query. What the subscriptions tell before it comes is told on."""
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        await session.begin(_QUESTION, query, variables)
        while (received := await session.receive(deadline)) is not None:
            operation, data = received
            if operation == _QUESTION:
                return data
            self._tell(operation, data)
        raise ApiAwayError("it does not answer")

    def _tell(self, subscription: str, data: Json) -> None:
        told = data[subscription]
        self._cursors[subscription] = told["cursor"]
        event = read_event(subscription, told)
        if event is None:
            return
        if not isinstance(event, ResultSeen):
            self._told.add(event.check.id)
        if event.check.id not in self._known:
            self._known.add(event.check.id)
            self._reload_at = asyncio.get_running_loop().time()
        self._emit(event)

    async def _wait(self, reason: str) -> None:
        longest = min(FIRST_WAIT_SECONDS * 2 ** min(self._failures, 10), LONGEST_WAIT_SECONDS)
        self._failures += 1
        # Those who were cut off together do not come back together.
        seconds = random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        now = datetime.now(UTC)
        self._emit(ConnectionLost(now, reason, now + timedelta(seconds=seconds)))
        await asyncio.sleep(seconds)


def _clock_lead(data: Json) -> timedelta:
    clock = read_clock(data)
    return timedelta() if clock is None else clock - datetime.now(UTC)
