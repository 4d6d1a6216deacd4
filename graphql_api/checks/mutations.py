"""Mutations of checks."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from graphql_api.checks.inputs import CreateCheckInput, UpdateCheckInput, fields_given, is_given
from graphql_api.checks.results import CheckResult
from graphql_api.checks.types import Check
from graphql_api.context import Context, Info
from graphql_api.fields import Id, changing
from graphql_api.ids import key_of
from graphql_api.problems import Conflict, Forbidden, InvalidInput, NotFound, RateLimited
from tocsin.domain.errors import NotFoundError
from tocsin.services import checks, heartbeats, runs


@strawberry.type(description="A probe that somebody asked for. It changes no status.")
class CheckRun:
    """A row of `runs`."""

    check: Check = strawberry.field(description="The check that was probed.")
    requested_at: datetime = strawberry.field(description="When it was asked for.")
    result: CheckResult | None = strawberry.field(description="What it brought; null when no worker did it in time.")


CreateCheckResult: TypeAlias = Annotated[
    Check | InvalidInput | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("CreateCheckResult", description="The check, or why there is none."),
]
UpdateCheckResult: TypeAlias = Annotated[
    Check | InvalidInput | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("UpdateCheckResult", description="The changed check, or why it is not changed."),
]
DeleteCheckResult: TypeAlias = Annotated[
    Check | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("DeleteCheckResult", description="The check as it was, or why it is not deleted."),
]
PauseCheckResult: TypeAlias = Annotated[
    Check | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("PauseCheckResult", description="The paused check, or why it is not paused."),
]
ResumeCheckResult: TypeAlias = Annotated[
    Check | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("ResumeCheckResult", description="The check that goes on, or why it does not."),
]
RunCheckResult: TypeAlias = Annotated[
    CheckRun | NotFound | Forbidden | RateLimited,
    strawberry.union("RunCheckResult", description="What the probe brought, or why there is none."),
]
RenewHeartbeatKeyResult: TypeAlias = Annotated[
    Check | NotFound | Conflict | Forbidden | RateLimited,
    strawberry.union("RenewHeartbeatKeyResult", description="The check with its new key, or why it has none."),
]
CreateCheckArgument = Annotated[CreateCheckInput, strawberry.argument(description="The new check.")]
UpdateCheckArgument = Annotated[UpdateCheckInput, strawberry.argument(description="What changes.")]


@strawberry.type
class CheckMutations:
    """Part of Mutation."""

    @changing("Make a check. It is due from about three seconds later on.")
    async def create_check(self, info: Info, input: CreateCheckArgument) -> CreateCheckResult:  # noqa: A002
        key = await checks.create_check(
            info.context.principal.organization_id,
            key_of("site", input.site_id),
            fields_given(input),
            paused=input.paused,
            key=input.idempotency_key or None,
        )
        return await _changed(info.context, key)

    @changing("Change a check. What it is and when it is due changes about three seconds later.")
    async def update_check(self, info: Info, id: Id, input: UpdateCheckArgument) -> UpdateCheckResult:  # noqa: A002
        key = _key(id)
        site = (key_of("site", input.site_id),) if input.site_id is not None and is_given(input.site_id) else None
        principal = info.context.principal
        await checks.update_check(principal.organization_id, key, fields_given(input), principal.token_name, site=site)
        return await _changed(info.context, key)

    @changing("Delete a check. Its open incident is closed.")
    async def delete_check(self, info: Info, id: Id) -> DeleteCheckResult:  # noqa: A002 - as clients call it
        key, principal = _key(id), info.context.principal
        await checks.delete_check(principal.organization_id, key, principal.token_name)
        return await _changed(info.context, key)

    @changing("Pause a check: nothing is due until it is resumed. Its open incident is closed.")
    async def pause_check(self, info: Info, id: Id) -> PauseCheckResult:  # noqa: A002 - as clients call it
        key, principal = _key(id), info.context.principal
        await checks.pause_check(principal.organization_id, key, principal.token_name)
        return await _changed(info.context, key)

    @changing("Resume a paused check. Its status starts at PENDING.")
    async def resume_check(self, info: Info, id: Id) -> ResumeCheckResult:  # noqa: A002 - as clients call it
        key, principal = _key(id), info.context.principal
        await checks.resume_check(principal.organization_id, key, principal.token_name)
        return await _changed(info.context, key)

    @changing("Give what reports in another key. The one that it had reports nothing any more.")
    async def renew_heartbeat_key(self, info: Info, id: Id) -> RenewHeartbeatKeyResult:  # noqa: A002 - as clients call it
        key = _key(id)
        await heartbeats.renew_key(info.context.principal.organization_id, key)
        return await _changed(info.context, key)

    @changing("Probe now, beside the schedule, and wait for what it brings.")
    async def run_check(
        self,
        info: Info,
        id: Id,  # noqa: A002 - as clients call it
        location: Annotated[
            str | None, strawberry.argument(description="One of its locations; when absent, the first.")
        ] = None,
    ) -> RunCheckResult:
        key, organization_id = _key(id), info.context.principal.organization_id
        run = await runs.request_run(organization_id, key, location)
        info.context.hints.hint_run((run.location, run.id))
        row = await runs.wait_for_run(organization_id, run.id, run.longest + runs.GRACE)
        return CheckRun(
            check=await _check(info.context, key),
            requested_at=row["slot"],
            result=None if row["finished_at"] is None else CheckResult.from_row(row, row["location"]),
        )


def _key(text: strawberry.ID) -> int:
    key = key_of("check", text)
    if key is None:
        raise NotFoundError("check")
    return key


async def _changed(context: Context, key: int) -> Check:
    """The check as it is now; others hear of the change meanwhile."""
    await context.ring()
    return await _check(context, key)


async def _check(context: Context, key: int) -> Check:
    check = await context.checks.load(key)
    if check is None:
        raise NotFoundError("check")
    return check
