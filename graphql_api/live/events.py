"""The events of subscriptions, as clients see them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg
import strawberry

from graphql_api.checks.results import CheckResult
from graphql_api.checks.types import Check
from graphql_api.incidents.types import Incident
from tocsin.domain.observations import Reason
from tocsin.domain.status import Status
from tocsin.models import IncidentEventKind
from tocsin.models.codes import reason_of
from tocsin.services.event_reading import ItemKind

_CURSOR: Final = "Place in the event log. As `after`, it lets a new subscription go on behind this event."


@strawberry.type(description="A slot of a check has ended.")
class CheckResultEvent:
    """A row of `results`."""

    cursor: str = strawberry.field(description=_CURSOR)
    result: CheckResult = strawberry.field(description="How the slot ended.")
    check: Check = strawberry.field(description="The check, as it is now.")

    @classmethod
    def of(cls, cursor: str, check: Check, row: asyncpg.Record) -> "CheckResultEvent":
        return cls(cursor=cursor, result=CheckResult.from_row(row, row["location"]), check=check)


@strawberry.type(description="A check shows another status.")
class StatusChangeEvent:
    """A row of `status_changes`."""

    cursor: str = strawberry.field(description=_CURSOR)
    check: Check = strawberry.field(description="The check, as it is now.")
    from_status: Status = strawberry.field(name="from", description="The status that was shown before.")
    to: Status = strawberry.field(description="The status that is shown since `at`.")
    at: datetime = strawberry.field(description="When the new status began: a slot, or when somebody acted.")
    reason: Reason | None = strawberry.field(description="Which failure of a probe it is shown for, if any.")

    @classmethod
    def of(cls, cursor: str, check: Check, row: asyncpg.Record) -> "StatusChangeEvent":
        return cls(
            cursor=cursor,
            check=check,
            from_status=Status(row["from_status"]),
            to=Status(row["to_status"]),
            at=row["at"],
            reason=reason_of(row["reason"]),
        )


@strawberry.type(description="Something happened to an incident.")
class IncidentEvent:
    """A row of `incident_events`."""

    cursor: str = strawberry.field(description=_CURSOR)
    incident: Incident = strawberry.field(description="The incident, as it is now.")
    kind: IncidentEventKind = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When it happened.")
    message: str | None = strawberry.field(description="What was seen, or what somebody wrote.")
    actor: str | None = strawberry.field(description="Name of the token that did it; null for Tocsin itself.")

    @classmethod
    def of(cls, cursor: str, _: Check, row: asyncpg.Record) -> "IncidentEvent":
        return cls(
            cursor=cursor,
            incident=Incident.from_row(row, "incident_"),
            kind=IncidentEventKind(row["kind"]),
            at=row["at"],
            message=row["message"],
            actor=row["actor"],
        )


Event: TypeAlias = CheckResultEvent | StatusChangeEvent | IncidentEvent
# How the event of an item is made: of its cursor, its check and its row.
EVENTS: Final[Mapping[ItemKind, Callable[[str, Check, asyncpg.Record], Event]]] = {
    ItemKind.RESULT: CheckResultEvent.of,
    ItemKind.STATUS_CHANGE: StatusChangeEvent.of,
    ItemKind.INCIDENT_EVENT: IncidentEvent.of,
}
