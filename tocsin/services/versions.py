"""The versions of a check's definition: which was valid when. Edits take effect a few seconds ahead."""

from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from tocsin.domain.schedule import Cron, cron_instants
from tocsin.services.planning import CRON_HORIZON
from tocsin.services.scope import Scope

# A tick is planned up to two seconds ahead, with the version that is valid at its slots.
EDIT_LEAD: Final = timedelta(seconds=3)

_OPEN = """
INSERT INTO check_versions (check_id, revision, organization_id, valid_from, kind, target, interval_ms, cron, time_zone,
                            timeout_ms, retry_attempts, retry_delay_ms, retry_backoff, failure_threshold,
                            success_threshold, failure_window, location_ids, paused, expanded_to)
SELECT id, revision, organization_id, $2::timestamptz, kind, target, interval_seconds * 1000, cron, time_zone,
       timeout_ms, retry_attempts, retry_delay_ms, retry_backoff, failure_threshold, success_threshold,
       failure_window, location_ids, paused, CASE WHEN cron IS NOT NULL THEN $3::timestamptz END
FROM checks WHERE id = $1
RETURNING cron, time_zone, paused, revision
"""
# A version that has not begun yet ends where it would have begun: it is never valid.
_CLOSE = """
UPDATE check_versions SET valid_to = greatest($2, valid_from) WHERE check_id = $1 AND valid_to = 'infinity'
RETURNING valid_to
"""
_DELETE_INSTANTS = "DELETE FROM cron_instants WHERE check_id = $1 AND slot >= $2"
# A scheduler that expands the version before may have written the same instant meanwhile.
_INSERT_INSTANTS = """
INSERT INTO cron_instants (slot, check_id, revision, organization_id) SELECT unnest($1::timestamptz[]), $2, $3, $4
ON CONFLICT (slot, check_id) DO UPDATE SET revision = excluded.revision
"""


async def open_version(scope: Scope, check_id: int, due_from: datetime) -> None:
    """Make what stands in the row of a check due from an instant on."""
    expanded_to = due_from + CRON_HORIZON
    row = await scope.connection.fetchrow(_OPEN, check_id, due_from, expanded_to)
    if row is not None and row["cron"] is not None and not row["paused"]:
        # An instant at due_from itself is due.
        instants = cron_instants(Cron(row["cron"], row["time_zone"]), due_from - datetime.resolution)
        slots = list(takewhile(lambda slot: slot <= expanded_to, instants))
        await scope.connection.execute(_INSERT_INSTANTS, slots, check_id, row["revision"], scope.organization_id)


async def close_version(scope: Scope, check_id: int, now: datetime) -> datetime:
    """End the newest version of a check soon; return from when on the next one is due."""
    due_from: datetime = await scope.connection.fetchval(_CLOSE, check_id, now + EDIT_LEAD)
    await scope.connection.execute(_DELETE_INSTANTS, check_id, due_from)
    return due_from


async def replace_version(scope: Scope, check_id: int, now: datetime) -> datetime:
    """Make what now stands in the row of a check due soon; return from when on."""
    due_from = await close_version(scope, check_id, now)
    await open_version(scope, check_id, due_from)
    return due_from
