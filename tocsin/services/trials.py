"""Probe a target once without saving it: the API's half. A worker takes it as it takes any run; soon it is gone."""

from datetime import timedelta
from typing import Final

import asyncpg
import orjson

from tocsin.domain.definitions import DefinitionFields, define
from tocsin.domain.errors import FieldProblem, InvalidInputError, RateLimitedError, UnansweredError
from tocsin.domain.locations import DEFAULT_LOCATION
from tocsin.domain.schedule import MILLISECOND
from tocsin.services.locations import location_ids
from tocsin.services.runs import RequestedRun, wait_for_run
from tocsin.services.scope import Scope, in_organization
from tocsin.services.secret_uses import require_secrets

# How many of an organization may be under way at a time.
MOST_UNDER_WAY: Final = 10
# What is beyond the timeout until somebody who waits is told that nobody answered.
GRACE: Final = timedelta(seconds=1.5)

# What was asked for so long ago is over, whatever became of it. Two requests at the same moment may both find room.
_REQUEST: Final = """
INSERT INTO runs (organization_id, location_id, kind, target, timeout_ms)
SELECT $1, $2, $3, $4::jsonb, $5
WHERE (SELECT count(*) FROM runs WHERE organization_id = $1 AND check_id IS NULL AND finished_at IS NULL
       AND requested_at > clock_timestamp() - interval '90 seconds') < $6
RETURNING id
"""


@in_organization
async def request_trial(scope: Scope, fields: DefinitionFields, location: str = DEFAULT_LOCATION) -> RequestedRun:
    """Ask for a probe of the target that the fields tell; of the others, the timeout alone counts.

    Raises InvalidInputError, and RateLimitedError when too many are under way.
    """
    problems: list[FieldProblem] = []
    definition = define({**fields, "name": "trial"}, problems)
    location_id = await _location_id(scope, location, problems)
    if definition is not None:
        await require_secrets(scope, definition, problems)
    if problems or definition is None:
        raise InvalidInputError(problems)
    target, timeout = orjson.dumps(definition.stored_target()).decode(), definition.timeout
    of_trial = (location_id, definition.target.kind, target, timeout // MILLISECOND, MOST_UNDER_WAY)
    run_id = await scope.connection.fetchval(_REQUEST, scope.organization_id, *of_trial)
    if run_id is None:
        raise RateLimitedError(timeout, f"{MOST_UNDER_WAY} tests are under way already; wait for one of them to end.")
    return RequestedRun(run_id, location, timeout)


async def _location_id(scope: Scope, name: str, problems: list[FieldProblem]) -> int:
    try:
        return (await location_ids(scope.connection, [name]))[0]
    except InvalidInputError as exc:
        problems += [FieldProblem(("location",), problem.message) for problem in exc.problems]
        return 0


async def wait_for_trial(organization_id: int, run: RequestedRun) -> asyncpg.Record:
    """What it brought, as `services.runs` tells it. Raises UnansweredError when no worker told it in time."""
    patience = run.longest + GRACE
    row = await wait_for_run(organization_id, run.id, patience)
    if row["finished_at"] is None:
        raise UnansweredError(run.location, patience)
    return row
