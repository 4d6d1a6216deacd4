"""What the database knows of checks that objects own, and which of them have news."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Final

import asyncpg

from healthcheck_operator.statuses import Observed
from tocsin.database import no_organization, read_transaction
from tocsin.services.check_rows import checks_by_key
from tocsin.services.history import uptimes
from tocsin.services.locations import location_states

_DAY: Final = timedelta(days=1)
_MONTH: Final = timedelta(days=30)
_NUMBERS = "SELECT organization_id, number FROM tocsin_event_numbers($1)"
_CHANGED = """
WITH news AS (SELECT status_change_ids, incident_event_ids FROM events WHERE number > $1 AND number <= $2)
SELECT s.check_id FROM status_changes s WHERE s.id IN (SELECT unnest(status_change_ids) FROM news)
UNION
SELECT i.check_id FROM incident_events e JOIN incidents i ON i.id = e.incident_id
WHERE e.id IN (SELECT unnest(incident_event_ids) FROM news)
"""


async def observe(places: Iterable[tuple[int, int]]) -> dict[int, asyncpg.Record]:
    """The rows of checks that are not deleted, by id; `places` are pairs of organization and check id."""
    rows: dict[int, asyncpg.Record] = {}
    for organization_id, check_ids in _by_organization(places).items():
        async with read_transaction(organization_id) as connection:
            found = await checks_by_key(connection, check_ids)
        rows.update((row["id"], row) for row in found if row["deleted_at"] is None)
    return rows


async def with_all(places: Iterable[tuple[int, int]], rows: dict[int, asyncpg.Record]) -> dict[int, Observed]:
    """The same with what each location shows, and the uptime of a day and of 30."""
    observed: dict[int, Observed] = {}
    for organization_id, check_ids in _by_organization(places).items():
        async with read_transaction(organization_id) as connection:
            locations = _by_check(await location_states(connection, check_ids))
            now = await connection.fetchval("SELECT tocsin_now()")
            day = await uptimes(connection, check_ids, now - _DAY, now)
            month = await uptimes(connection, check_ids, now - _MONTH, now)
        for key in check_ids:
            uptimes_of = day[key].times.uptime, month[key].times.uptime
            observed[key] = Observed(rows[key], locations[key], *uptimes_of)
    return observed


def _by_check(rows: Iterable[asyncpg.Record]) -> Mapping[int, list[asyncpg.Record]]:
    grouped: defaultdict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        grouped[row["check_id"]].append(row)
    return grouped


def _by_organization(places: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    grouped: defaultdict[int, list[int]] = defaultdict(list)
    for organization_id, check_id in places:
        grouped[organization_id].append(check_id)
    return grouped


class News:
    """Tells which checks changed their status or their incident since it was asked last."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    @property
    def organization_ids(self) -> set[int]:
        """Those whose news are followed."""
        return set(self._numbers)

    async def changed_checks(self, organization_ids: Collection[int]) -> set[int]:
        """Ids of checks. What came before the first call is not told."""
        async with no_organization() as connection:
            rows = await connection.fetch(_NUMBERS, list(organization_ids))
        changed: set[int] = set()
        for row in rows:
            organization_id, number = row["organization_id"], row["number"]
            before = self._numbers.get(organization_id, number)
            if number > before:
                async with read_transaction(organization_id) as connection:
                    changed.update(found["check_id"] for found in await connection.fetch(_CHANGED, before, number))
            self._numbers[organization_id] = number
        self._numbers = {each: self._numbers.get(each, 0) for each in organization_ids}
        return changed
