"""The newest result that each check has from each location, in pages: what `/metrics` tells of them."""

from typing import Final

import asyncpg

from tocsin.database import Connection
from tocsin.domain.targets.shown import ADDRESS_FIELDS

Place = tuple[int, int]
"""The id of a check, and of a location."""

# Bodies and certificates of targets are left where they are.
_ADDRESS: Final = ", ".join(f"'{field}', c.target->'{field}'" for field in ADDRESS_FIELDS)
# Page by page, and each result by its key: left to itself, the planner reads every partition of results.
_SELECT: Final = f"""
WITH page AS MATERIALIZED (
    SELECT s.check_id, s.location_id, s.last_slot FROM check_states s JOIN checks c ON c.id = s.check_id
    WHERE c.deleted_at IS NULL AND NOT c.paused AND c.id >= $1 AND (s.check_id, s.location_id) > ($1, $2)
    ORDER BY s.check_id, s.location_id LIMIT $3
)
SELECT p.check_id, p.location_id, c.name, c.kind, jsonb_build_object({_ADDRESS})::text AS address_fields,
       t.name AS site, l.name AS location, r.*
FROM page p
JOIN checks c ON c.id = p.check_id
JOIN sites t ON t.id = c.site_id
JOIN locations l ON l.id = p.location_id
LEFT JOIN LATERAL (
    SELECT r.slot, r.outcome, r.reason, r.duration_us, r.status_code, r.resolve_us, r.connect_us, r.tls_us,
           r.processing_us, r.transfer_us, r.certificate_expires_at, family(r.address) AS ip_family
    FROM results r
    WHERE r.check_id = p.check_id AND r.location_id = p.location_id AND r.slot = p.last_slot LIMIT 1
) r ON true
ORDER BY p.check_id, p.location_id
"""  # noqa: S608 - the names of our own fields


async def newest_results(connection: Connection, after: Place, limit: int) -> list[asyncpg.Record]:
    """Those after a place, in the order of their places; paused and deleted checks are left out.

    Of one without a result, or whose result is kept no more, the columns from `slot` on are None.
    """
    return await connection.fetch(_SELECT, *after, limit)
