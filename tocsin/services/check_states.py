"""The states of a check: one at each of its locations, and its own beside them where these are several.

Where there is one location, its state is the check's own. Both stand in the same table, so that whoever reads checks
joins one row; the own one has no location's id, and folds no slot.
"""

from collections.abc import Sequence
from datetime import datetime

from tocsin.domain.schedule import MILLISECOND
from tocsin.domain.status import Status
from tocsin.models import Check
from tocsin.services.scope import Scope
from tocsin.services.transitions import CHECK_ITSELF

_ADD = """
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
SELECT $1, unnest($2::smallint[]), $3, $4, $5, $6, $7 ON CONFLICT DO NOTHING
"""
# In the order of all others: the check's own state last.
_LOCK = """
SELECT FROM check_states WHERE check_id = $1 ORDER BY location_id = 0, location_id FOR NO KEY UPDATE
"""
_GO_ON_AT = """
INSERT INTO check_states (check_id, location_id, organization_id, folded_through, status, since, decided)
SELECT check_id, $3, organization_id, $4, status, since, decided FROM check_states
WHERE check_id = $1 AND location_id = $2
ON CONFLICT (check_id, location_id) DO UPDATE
SET status = excluded.status, since = excluded.since, decided = excluded.decided, run_length = 0,
    run_started_at = NULL, recent_slots = NULL
"""
_REMOVE = "DELETE FROM check_states WHERE check_id = $1 AND location_id <> ALL($2::smallint[])"
# The next result goes through the state machine, which looks at all locations.
_LOOK_AGAIN = "UPDATE check_states SET waiting = true WHERE check_id = $1 AND location_id <> $2"


async def start_states(scope: Scope, check: Check, now: datetime, due_from: datetime) -> None:
    """Make the states of a new check: nothing is known yet."""
    await _add(scope, check, _places(check.location_ids), now, due_from)


async def move_states(scope: Scope, check: Check, before: Sequence[int], now: datetime, due_from: datetime) -> None:
    """Give a locked check the states of the locations that it now has, after those `before`.

    A new location knows nothing yet. The check's own state goes on, at its one location if it has one.
    """
    await scope.connection.execute(_LOCK, check.id)
    places, old_own, new_own = _places(check.location_ids), _own_place(before), _own_place(check.location_ids)
    if old_own != new_own:
        await scope.connection.execute(_GO_ON_AT, check.id, old_own, new_own, due_from - MILLISECOND)
    await _add(scope, check, places, now, due_from)
    await scope.connection.execute(_REMOVE, check.id, places)
    await scope.connection.execute(_LOOK_AGAIN, check.id, CHECK_ITSELF)


def _own_place(location_ids: Sequence[int]) -> int:
    return location_ids[0] if len(location_ids) == 1 else CHECK_ITSELF


def _places(location_ids: Sequence[int]) -> list[int]:
    return sorted({*location_ids, _own_place(location_ids)})


async def _add(scope: Scope, check: Check, places: list[int], now: datetime, due_from: datetime) -> None:
    status = Status.PAUSED if check.paused else Status.PENDING
    # The last folded instant is exclusive: a slot at due_from itself is folded.
    instants = due_from - MILLISECOND, status, now, Status.PENDING
    await scope.connection.execute(_ADD, check.id, places, scope.organization_id, *instants)
