"""The event log: what each transaction brought to an organization, numbered without gaps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tocsin.database import Connection


@dataclass(slots=True)
class News:
    """What one transaction brought to one organization, by the keys of its rows.

    The positions of results, then status changes, then incident events are the indexes of the cursor.
    """

    results: list[tuple[int, datetime, int]] = field(default_factory=list)  # (check id, slot, location id)
    status_change_ids: list[int] = field(default_factory=list)
    incident_event_ids: list[int] = field(default_factory=list)


_LOCK = """
SELECT organization_id FROM event_counters WHERE organization_id = ANY($1::bigint[])
ORDER BY organization_id FOR NO KEY UPDATE
"""
_TAKE = """
UPDATE event_counters SET number = number + 1 WHERE organization_id = ANY($1::bigint[])
RETURNING organization_id, number
"""
_APPEND = """
INSERT INTO events (organization_id, number, result_check_ids, result_slots, result_location_ids,
                    status_change_ids, incident_event_ids)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def append_news(connection: Connection, news: Mapping[int, News]) -> dict[int, int]:
    """Append one event for each organization, as the last thing before the commit; return their numbers.

    The counters stay locked until the commit, so numbers become visible in their order. They are locked in the
    order of their ids first: taken in an update alone, they deadlock.
    """
    organization_ids = sorted(news)
    await connection.execute(_LOCK, organization_ids)
    numbers = {row["organization_id"]: row["number"] for row in await connection.fetch(_TAKE, organization_ids)}
    await connection.executemany(_APPEND, [_row(i, number, news[i]) for i, number in numbers.items()])
    return numbers


def _row(organization_id: int, number: int, news: News) -> tuple[object, ...]:
    check_ids = [check_id for check_id, _, _ in news.results]
    slots = [slot for _, slot, _ in news.results]
    location_ids = [location_id for _, _, location_id in news.results]
    return organization_id, number, check_ids, slots, location_ids, news.status_change_ids, news.incident_event_ids
