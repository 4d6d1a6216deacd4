"""Locations as clients see them."""

from datetime import datetime

import asyncpg
import strawberry

from graphql_api.checks.results import LastResult
from graphql_api.enums import Status


@strawberry.type(description="A pool of workers that probes checks from one place.")
class Location:
    """A row of `locations`."""

    name: str = strawberry.field(description="Name, as checks refer to it.")
    seen_at: datetime | None = strawberry.field(description="When a worker there last showed life; null for never.")
    impaired_since: datetime | None = strawberry.field(
        description="Since when a worker there reaches none of its canaries: failures count as UNKNOWN."
    )

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "Location":
        return cls(name=row["name"], seen_at=row["seen_at"], impaired_since=row["impaired_since"])


@strawberry.type(description="What one location of a check shows.")
class CheckLocation:
    """A row of `check_states`, of a location."""

    name: str = strawberry.field(description="Name of the location.")
    status: Status = strawberry.field(description="What the target is known to be, from there.")
    status_since: datetime = strawberry.field(description="When this status began.")
    certificate_expires_at: datetime | None = strawberry.field(
        description="When the first certificate of the target's chain expires, as last seen there."
    )
    last_result: LastResult | None = strawberry.field(
        description="How the last slot ended there that counts for the status; null before the first."
    )

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "CheckLocation":
        return cls(
            name=row["name"],
            status=Status(row["status"]),
            status_since=row["since"],
            certificate_expires_at=row["certificate_expires_at"],
            last_result=None if row["last_slot"] is None else LastResult.from_row(row),
        )
