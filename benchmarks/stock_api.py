"""The dashboard's query on stock Strawberry and Tortoise: `python -m benchmarks.stock_api PORT`.

`checks` reads each check's site, state and incident by a query of its own, as one writes it first; `prefetchedChecks`
loads them for all checks at once. No organization, no token, no limits.
"""

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import strawberry
import uvicorn
import uvloop
from strawberry.asgi import GraphQL
from tortoise import Tortoise
from tortoise.queryset import QuerySet

from benchmarks.stock_models import State
from tocsin import models
from tocsin.database import orm_configuration
from tocsin.models.codes import OUTCOMES


@strawberry.type
class Label:
    name: str
    value: str


@strawberry.type
class HttpTarget:
    url: str


@strawberry.type
class TcpTarget:
    host: str
    port: int


@strawberry.type
class Site:
    id: strawberry.ID
    name: str


@strawberry.type
class Incident:
    id: strawberry.ID
    opened_at: datetime
    cause: str | None


@strawberry.type
class LastResult:
    slot: datetime
    outcome: str
    duration_ms: float
    status_code: int | None


@strawberry.enum
class Status(Enum):
    PENDING = "PENDING"
    UP = "UP"
    DOWN = "DOWN"


@strawberry.type
class Check:
    row: strawberry.Private[models.Check]
    state: strawberry.Private[State]
    incident: strawberry.Private[models.Incident | None]
    prefetched: strawberry.Private[bool]
    id: strawberry.ID
    name: str
    kind: str
    interval_seconds: int | None

    @strawberry.field
    def status(self) -> Status:
        return Status(self.state.status)

    @strawberry.field
    def status_since(self) -> datetime:
        return self.state.since

    @strawberry.field
    def labels(self) -> list[Label]:
        return [Label(name=name, value=value) for name, value in sorted(self.row.labels.items())]

    @strawberry.field
    def target(self) -> HttpTarget | TcpTarget:
        target = self.row.target
        return HttpTarget(url=target["url"]) if "url" in target else TcpTarget(host=target["host"], port=target["port"])

    @strawberry.field
    async def site(self) -> Site:
        site = self.row.site if self.prefetched else await self.row.site
        return Site(id=strawberry.ID(str(site.id)), name=site.name)

    @strawberry.field
    async def open_incident(self) -> Incident | None:
        row = self.incident if self.prefetched else await _open_incidents().get_or_none(check_id=self.row.id)
        if row is None:
            return None
        return Incident(id=strawberry.ID(str(row.id)), opened_at=row.opened_at, cause=row.cause)

    @strawberry.field
    def last_result(self) -> LastResult | None:
        state = self.state
        if state.last_slot is None or state.last_outcome is None or state.last_duration_us is None:
            return None
        outcome = OUTCOMES[state.last_outcome]
        return LastResult(
            slot=state.last_slot,
            outcome=outcome,
            duration_ms=state.last_duration_us / 1000,
            status_code=state.last_status_code,
        )


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge:
    cursor: str
    node: Check


@strawberry.type
class Connection:
    edges: list[Edge]
    page_info: PageInfo


@strawberry.type
class Query:
    @strawberry.field
    async def checks(self, first: int) -> Connection:
        rows = await models.Check.filter(deleted_at=None).order_by("id").limit(first + 1)
        states = [await State.get(check_id=row.id) for row in rows[:first]]
        return _connection(rows, first, [_check(row, state) for row, state in zip(rows, states, strict=False)])

    @strawberry.field
    async def prefetched_checks(self, first: int) -> Connection:
        rows = await models.Check.filter(deleted_at=None).order_by("id").limit(first + 1).prefetch_related("site")
        ids = [row.id for row in rows]
        states = {state.check_id: state for state in await State.filter(check_id__in=ids)}
        incidents = {incident.check_id: incident for incident in await _open_incidents().filter(check_id__in=ids)}
        checks = [_check(row, states[row.id], incidents.get(row.id), prefetched=True) for row in rows[:first]]
        return _connection(rows, first, checks)


def _open_incidents() -> QuerySet[models.Incident]:
    return models.Incident.filter(resolved_at=None)


def _check(
    row: models.Check, state: State, incident: models.Incident | None = None, *, prefetched: bool = False
) -> Check:
    return Check(
        row=row,
        state=state,
        incident=incident,
        prefetched=prefetched,
        id=strawberry.ID(str(row.id)),
        name=row.name,
        kind=row.kind,
        interval_seconds=row.interval_seconds,
    )


def _connection(rows: Sequence[models.Check], first: int, checks: Sequence[Check]) -> Connection:
    edges = [Edge(cursor=check.id, node=check) for check in checks]
    page_info = PageInfo(has_next_page=len(rows) > first, end_cursor=edges[-1].cursor if edges else None)
    return Connection(edges=edges, page_info=page_info)


async def serve(port: int) -> None:
    """Serve until a signal comes."""
    configuration = orm_configuration(os.environ["TOCSIN_DATABASE_URL"], None)
    configuration["apps"]["models"]["models"] = ["tocsin.models", "benchmarks.stock_models"]
    async with await Tortoise.init(config=configuration, _enable_global_fallback=True):
        app = GraphQL[None, None](strawberry.Schema(Query))
        await uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False)).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
