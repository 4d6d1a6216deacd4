"""Incidents as clients see them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import asyncpg
import strawberry

from graphql_api.checks.evidence import Evidence
from graphql_api.context import Info
from graphql_api.enums import IncidentEventKind, IncidentStatus, Reason, Resolution
from graphql_api.fields import described
from graphql_api.ids import Node, global_id
from graphql_api.pagination import DEFAULT_PAGE_SIZE, After, Connection, First, connect, page_of
from tocsin.services import incidents

if TYPE_CHECKING:
    from graphql_api.checks.types import Check


@strawberry.type(description="One line in the story of an incident.")
class IncidentEntry(Node):
    """A row of `incident_events`."""

    kind: IncidentEventKind = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When it happened.")
    message: str | None = strawberry.field(description="What was seen, or what somebody wrote.")
    actor: str | None = strawberry.field(description="Name of the token that did it; null for Tocsin itself.")

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "IncidentEntry":
        return cls(
            id=global_id("incident-event", row["id"]),
            kind=IncidentEventKind(row["kind"]),
            at=row["at"],
            message=row["message"],
            actor=row["actor"],
        )


@strawberry.type(description="A period in which a check's target was down.")
class Incident(Node):
    """A row of `incidents`."""

    key: strawberry.Private[int]
    check_key: strawberry.Private[int]
    status: IncidentStatus = strawberry.field(description="How far the incident has come.")
    opened_at: datetime = strawberry.field(description="Slot of the first failure in the row that opened it.")
    detected_at: datetime = strawberry.field(description="Slot of the failure that decided.")
    acknowledged_at: datetime | None = strawberry.field(description="When somebody took it on.")
    resolved_at: datetime | None = strawberry.field(description="Slot of the first success, or when it was closed.")
    resolution: Resolution | None = strawberry.field(description="Why it ended; null while it is not resolved.")
    cause: Reason | None = strawberry.field(description="Why the deciding probe failed.")
    message: str | None = strawberry.field(description="What the deciding probe saw.")

    @classmethod
    def from_row(cls, row: asyncpg.Record, prefix: str = "") -> "Incident":
        """Columns of `incidents`; `prefix` stands before their names where they are part of a larger row."""
        acknowledged_at, resolved_at = row[f"{prefix}acknowledged_at"], row[f"{prefix}resolved_at"]
        resolution, cause = row[f"{prefix}resolution"], row[f"{prefix}cause"]
        return cls(
            id=global_id("incident", row[f"{prefix}id"]),
            key=row[f"{prefix}id"],
            check_key=row[f"{prefix}check_id"],
            status=IncidentStatus.of(acknowledged_at, resolved_at),
            opened_at=row[f"{prefix}opened_at"],
            detected_at=row[f"{prefix}detected_at"],
            acknowledged_at=acknowledged_at,
            resolved_at=resolved_at,
            resolution=None if resolution is None else Resolution(resolution),
            cause=None if cause is None else Reason(cause),
            message=row[f"{prefix}message"],
        )

    @described("The check whose target was down; null once it is deleted and forgotten.")
    async def check(self, info: Info) -> Annotated["Check", strawberry.lazy("graphql_api.checks.types")] | None:
        return await info.context.checks.load(self.check_key)

    @described("What was kept of the failures that opened it, of the last one that anything was kept of.")
    async def evidence(self, info: Info) -> Evidence | None:
        return Evidence.of(await info.context.incident_evidence.load(self.key))

    @described("What happened to the incident, the oldest first.")
    async def events(
        self, info: Info, first: First = DEFAULT_PAGE_SIZE, after: After = None
    ) -> Connection[IncidentEntry]:
        page = page_of("incident-event", first, after)
        async with info.context.reading() as connection:
            rows = await incidents.find_events(connection, self.key, page.after_key, page.limit)
        return connect("incident-event", page, rows, IncidentEntry.from_row, lambda row: (row["version"],))
