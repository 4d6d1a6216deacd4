"""Pages of the event log, ready to be shown: the event of each item, with its check, read in one transaction."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from graphql_api.checks.types import Check
from graphql_api.live.cursors import cursor_of
from graphql_api.live.events import EVENTS, Event
from tocsin.database import Connection, read_transaction
from tocsin.services.check_rows import checks_by_key
from tocsin.services.event_reading import Interest, Item, ItemKind, Position, read_page


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items a subscription shows: those of a kind, perhaps of one check, perhaps of one site."""

    kind: ItemKind
    check_id: int | None = None
    site_id: int | None = None


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item of the event log, and the event that subscribers see of it."""

    position: Position
    kind: ItemKind
    check: Check
    event: Event


class ShownPage:
    """What there is to show after one position up to another; whoever has seen it stands at `end`.

    `lag` is how long ago the oldest of its events was written, None without any.
    """

    def __init__(
        self, items: Collection[ShownItem], end: Position, *, has_more: bool, lag: timedelta | None = None
    ) -> None:
        self.end = end
        self.has_more = has_more
        self.lag = lag
        self._all: dict[ItemKind, list[ShownItem]] = {kind: [] for kind in ItemKind}
        self._by_check: dict[tuple[ItemKind, int], list[ShownItem]] = {}
        for item in items:
            self._all[item.kind].append(item)
            self._by_check.setdefault((item.kind, item.check.key), []).append(item)

    def select(self, selection: Selection) -> list[ShownItem]:
        if selection.check_id is None:
            items = self._all[selection.kind]
        else:
            items = self._by_check.get((selection.kind, selection.check_id), [])
        if selection.site_id is None:
            return items
        return [item for item in items if item.check.row["site_id"] == selection.site_id]


def interest_of(selections: Collection[Selection]) -> Interest | None:
    """The checks that any of the selections shows; None for all."""
    if any(selection.check_id is None and selection.site_id is None for selection in selections):
        return None
    check_ids = frozenset(s.check_id for s in selections if s.check_id is not None)
    return Interest(check_ids, frozenset(s.site_id for s in selections if s.check_id is None and s.site_id is not None))


@asynccontextmanager
async def shown_page(
    organization_id: int, after: Position, selections: Collection[Selection], *, until: Position | None = None
) -> AsyncIterator[ShownPage]:
    """The next items that any of the selections shows. Raises CursorExpiredError.

    They are there before the transaction has ended, which whoever is in a hurry need not wait for.
    """
    kinds = {selection.kind for selection in selections}
    async with read_transaction(organization_id) as connection:
        page = await read_page(connection, organization_id, after, kinds, until=until, interest=interest_of(selections))
        checks = await _read_checks(connection, page.items)
        yield ShownPage(_show(organization_id, page.items, checks), page.end, has_more=page.has_more, lag=page.lag)


async def _read_checks(connection: Connection, items: Collection[Item]) -> dict[int, Check]:
    if not items:
        return {}
    rows = await checks_by_key(connection, list({item.check_id for item in items}))
    return {row["id"]: Check.from_row(row) for row in rows}


def _show(organization_id: int, items: Collection[Item], checks: dict[int, Check]) -> list[ShownItem]:
    """What happened to a check that is gone for good is shown no more."""
    return [
        ShownItem(
            item.position,
            item.kind,
            check,
            EVENTS[item.kind](cursor_of(organization_id, item.position), check, item.row),
        )
        for item in items
        if (check := checks.get(item.check_id)) is not None
    ]
