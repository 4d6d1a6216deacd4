"""Change checks: make, edit, pause, resume, delete.

The row of a check says what is wanted now, its versions what is due when. Locks are taken in one order: check, states,
incidents, event counters.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.domain.changes import beside_kept
from tocsin.domain.definitions import Definition, DefinitionFields, define
from tocsin.domain.errors import FieldProblem, InvalidInputError, NotFoundError
from tocsin.domain.schedule import MILLISECOND, Cron
from tocsin.domain.status import Status
from tocsin.domain.targets.heartbeat import HeartbeatTarget
from tocsin.models import Check, Resolution
from tocsin.services import idempotency
from tocsin.services.check_states import move_states, start_states
from tocsin.services.event_log import append_news
from tocsin.services.heartbeats import keep_heartbeat
from tocsin.services.locations import location_ids, location_names
from tocsin.services.ownership import refuse_owned, require_owner
from tocsin.services.scope import Scope, in_organization
from tocsin.services.secret_uses import note_uses, require_secrets
from tocsin.services.transitions import end_status, reset_status
from tocsin.services.versions import EDIT_LEAD, close_version, open_version, replace_version

_LOCK_SITE = "SELECT true FROM sites WHERE id = $1 AND deleted_at IS NULL FOR SHARE"
# What makes a new version of the schedule; names, sites and labels do not.
_DEFINING: Final = (
    "kind",
    "target",
    "interval_seconds",
    "cron",
    "time_zone",
    "timeout_ms",
    "retry_attempts",
    "retry_delay_ms",
    "retry_backoff",
    "failure_threshold",
    "success_threshold",
    "failure_window",
    "location_ids",
    "quorum",
)


@in_organization
async def create_check(
    scope: Scope, site_id: int | None, fields: DefinitionFields, *, paused: bool = False, key: str | None = None
) -> int:
    """Make a check and return its id. `site_id` is None for what cannot be the id of a site.

    Raises InvalidInputError, NotFoundError for the site, and ConflictError.
    """
    problems: list[FieldProblem] = []
    named = {**fields, "site_id": site_id, "paused": paused}
    request = idempotency.read_request("createCheck", key, named, problems)
    definition = define(fields, problems)
    if not problems and (made := await idempotency.find_made(scope, request)):
        return made
    site_id = await _lock_site(scope, site_id, problems)
    if definition is not None:
        await require_secrets(scope, definition, problems)
    if problems or definition is None:
        raise InvalidInputError(problems)
    check_id = await make(scope, site_id, definition, paused=paused)
    await idempotency.keep_made(scope, request, check_id)
    return check_id


async def make(scope: Scope, site_id: int, definition: Definition, *, paused: bool) -> int:
    """Make a check in a site that is locked, and return its id. Raises InvalidInputError for an unknown location."""
    now = await scope.now()
    row = await Check.create(
        organization_id=scope.organization_id,
        site_id=site_id,
        **_columns(definition, await location_ids(scope.connection, definition.locations)),
        paused=paused,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    await _start(scope, row, now)
    if definition.target.kind == HeartbeatTarget.kind:
        await keep_heartbeat(scope, row.id)
    if definition.references:
        await note_uses(scope, row.id, definition.references)
    check_id: int = row.id
    return check_id


async def _lock_site(scope: Scope, site_id: int | None, problems: list[FieldProblem]) -> int:
    """Keep the site from being deleted meanwhile. Alone, an unknown one is not found; else it is one problem more."""
    if site_id is not None and await scope.connection.fetchval(_LOCK_SITE, site_id):
        return site_id
    if not problems:
        raise NotFoundError("site")
    problems.append(FieldProblem(("site_id",), "must be the id of a site"))
    return 0


def _columns(definition: Definition, location_ids: list[int]) -> dict[str, Any]:
    every, cron = definition.schedule, definition.schedule
    return {
        "name": definition.name,
        "description": definition.description,
        "kind": definition.target.kind,
        "target": definition.stored_target(),
        "interval_seconds": every // timedelta(seconds=1) if isinstance(every, timedelta) else None,
        "cron": cron.expression if isinstance(cron, Cron) else None,
        "time_zone": cron.time_zone if isinstance(cron, Cron) else None,
        "timeout_ms": definition.timeout // MILLISECOND,
        "retry_attempts": definition.retries.attempts,
        "retry_delay_ms": definition.retries.delay // MILLISECOND,
        "retry_backoff": definition.retries.backoff,
        "failure_threshold": definition.failure_threshold,
        "success_threshold": definition.success_threshold,
        "failure_window": definition.failure_window,
        "location_ids": location_ids,
        "quorum": definition.quorum,
        "labels": dict(definition.labels),
    }


async def _start(scope: Scope, check: Check, now: datetime) -> None:
    due_from = now + EDIT_LEAD
    await open_version(scope, check.id, due_from)
    await start_states(scope, check, now, due_from)


async def _lock(scope: Scope, check_id: int) -> Check:
    """Lock a check that people may change. Raises NotFoundError and ConflictError."""
    check = await lock(check_id)
    await refuse_owned(scope, check_id)
    return check


async def lock(check_id: int) -> Check:
    """Lock a check, whoever it belongs to. Raises NotFoundError."""
    check = await Check.filter(id=check_id, deleted_at=None).select_for_update().first()
    if check is None:
        raise NotFoundError("check")
    return check


@in_organization
async def update_check(
    scope: Scope, check_id: int, changes: DefinitionFields, actor: str, *, site: tuple[int | None] | None = None
) -> None:
    """Change what is given and leave the rest; `site` holds the id of another site, or None for what cannot be one.

    A new target starts at `PENDING`. Raises InvalidInputError, NotFoundError and ConflictError.
    """
    check = await _lock(scope, check_id)
    problems: list[FieldProblem] = []
    merged = _merged(check, changes, await location_names(scope.connection, check.location_ids))
    definition = define(merged, problems)
    problems = [beside_kept(problem, merged, changes) for problem in problems]
    site_id = check.site_id if site is None else await _lock_site(scope, site[0], problems)
    if definition is not None:
        await require_secrets(scope, definition, problems)
    if problems or definition is None:
        raise InvalidInputError(problems)
    await change(scope, check, site_id, definition, actor)


async def change(scope: Scope, check: Check, site_id: int, definition: Definition, actor: str) -> None:
    """Make a locked check what the definition says, from now on. Raises InvalidInputError for an unknown location."""
    columns = _columns(definition, await location_ids(scope.connection, definition.locations))
    differing = {name for name, value in columns.items() if getattr(check, name) != value}
    if not differing and site_id == check.site_id:
        return
    now = await scope.now()
    revision = check.revision + bool(differing.intersection(_DEFINING))
    await Check.filter(id=check.id).update(**columns, site_id=site_id, revision=revision, updated_at=now)
    if revision != check.revision:
        check.revision = revision
        if definition.target.kind == HeartbeatTarget.kind:
            await keep_heartbeat(scope, check.id)
        due_from = await replace_version(scope, check.id, now)
        if differing & {"location_ids", "quorum"}:
            before, check.location_ids = check.location_ids, columns["location_ids"]
            await move_states(scope, check, before, now, due_from)
        if differing & {"kind", "target"}:
            await note_uses(scope, check.id, definition.references)
            status = Status.PAUSED if check.paused else Status.PENDING
            await _reset(scope, check.id, status, now, due_from, Resolution.TARGET_CHANGED, actor)


def _merged(check: Check, changes: DefinitionFields, locations: list[str]) -> DefinitionFields:
    """The stored fields with the changes over them."""
    merged: DefinitionFields = {
        "name": check.name,
        "description": check.description,
        "target": (check.kind, check.target),
        "timeout_seconds": check.timeout_ms / 1000,
        "retries": {
            "attempts": check.retry_attempts,
            "delay_seconds": check.retry_delay_ms / 1000,
            "backoff": check.retry_backoff,
        },
        "failure_threshold": check.failure_threshold,
        "success_threshold": check.success_threshold,
        "failure_window": check.failure_window,
        "locations": locations,
        "quorum": check.quorum,
        "labels": list(check.labels.items()),
    }
    if changes.get("interval_seconds") is None and changes.get("schedule") is None:
        merged["interval_seconds"] = check.interval_seconds
        if check.cron is not None and check.time_zone is not None:
            merged["schedule"] = {"cron": check.cron, "time_zone": check.time_zone}
    merged.update(changes)
    return merged


@in_organization
async def pause_check(scope: Scope, check_id: int, actor: str) -> None:
    """Freeze a check from now on; pausing it twice changes nothing. Raises NotFoundError and ConflictError."""
    await set_paused(scope, await _lock(scope, check_id), actor, paused=True)


@in_organization
async def resume_check(scope: Scope, check_id: int, actor: str) -> None:
    """Go on with a paused check, at `PENDING`; one that is not paused stays as it is.

    Raises NotFoundError and ConflictError.
    """
    check = await _lock(scope, check_id)
    await require_owner(scope, check_id, check.kind)
    await set_paused(scope, check, actor, paused=False)


async def set_paused(scope: Scope, check: Check, actor: str, *, paused: bool) -> None:
    """Pause or resume a locked check; one that is as wanted stays as it is."""
    if check.paused is paused:
        return
    now = await scope.now()
    await Check.filter(id=check.id).update(paused=paused, revision=check.revision + 1, updated_at=now)
    due_from = await replace_version(scope, check.id, now)
    status = Status.PAUSED if paused else Status.PENDING
    await _reset(scope, check.id, status, now, due_from, Resolution.PAUSED, actor)


async def _reset(
    scope: Scope, check_id: int, status: Status, now: datetime, due_from: datetime, resolution: Resolution, actor: str
) -> None:
    news = await reset_status(
        scope.connection, check_id, status, now=now, due_from=due_from, resolution=resolution, actor=actor
    )
    if news:
        await append_news(scope.connection, news)


@in_organization
async def delete_check(scope: Scope, check_id: int, actor: str) -> None:
    """Delete a check softly: nothing is due any more, its open incident is closed.

    Raises NotFoundError and ConflictError.
    """
    await _lock(scope, check_id)
    await remove(scope, check_id, actor)


async def remove(scope: Scope, check_id: int, actor: str) -> None:
    """Delete a locked check."""
    now = await scope.now()
    await Check.filter(id=check_id).update(deleted_at=now, updated_at=now)
    await note_uses(scope, check_id, {})
    due_from = await close_version(scope, check_id, now)
    news = await end_status(scope.connection, check_id, now=now, due_from=due_from, actor=actor)
    if news:
        await append_news(scope.connection, news)
