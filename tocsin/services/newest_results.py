"""The newest result that each check has from each location, in pages: what `/metrics` tells of them."""

from typing import Final

import asyncpg

from tocsin.database import Connection
from tocsin.domain.targets.shown import ADDRESS_FIELDS

Place = tuple[int, int]
"""The id of a check, and of a location."""

# Bodies and certificates of targets are left where they are.
_ADDRESS: Final = ", ".join(f"'{field}', c.target->'{field}'" for field in ADDRESS_FIELDS)
_SELECT: Final = f"""
SELECT s.check_id, s.location_id, c.name, c.kind, jsonb_build_object({_ADDRESS})::text AS address_fields,
       t.name AS site, l.name AS location, r.slot, r.outcome, r.reason, r.duration_us, r.status_code, r.resolve_us,
       r.connect_us, r.tls_us, r.processing_us, r.transfer_us, r.certificate_expires_at, family(r.address) AS ip_family
FROM check_states s
JOIN checks c ON c.id = s.check_id
JOIN sites t ON t.id = c.site_id
JOIN locations l ON l.id = s.location_id
JOIN results r ON r.check_id = s.check_id AND r.location_id = s.location_id AND r.slot = s.last_slot
WHERE c.deleted_at IS NULL AND NOT c.paused AND (s.check_id, s.location_id) > ($1, $2)
ORDER BY s.check_id, s.location_id LIMIT $3
"""  # noqa: S608 - the names of our own fields


async def newest_results(connection: Connection, after: Place, limit: int) -> list[asyncpg.Record]:
    """Those after a place, in the order of their places; paused and deleted checks are left out."""
    return await connection.fetch(_SELECT, *after, limit)
