"""What a dashboard's page of 50 checks costs: our API against stock Strawberry with Tortoise, each a server of its own.

Both answer the same query over HTTP. Ours finds out whose token it is and sets the organization besides.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import uvloop

from benchmarks.costs import Cost, cpu_of, measured, median, median_ratio
from benchmarks.delivery import free_ports
from benchmarks.installation import ORGANIZATION, installed, make_checks, postgres_cpu, running, running_servers
from benchmarks.report import Figure, publish, ratio
from tocsin.database import Connection
from tocsin.services.accounts import create_token
from tocsin.settings import Servers

ROUNDS = 5
PAGES = 20
PAGE_SIZE = 50
CHECKS = 200

_FIELDS = """
  edges { cursor node {
    id name kind status statusSince intervalSeconds labels { name value }
    target { ... on HttpTarget { url } } site { id name } openIncident { id openedAt cause }
    lastResult { slot outcome durationMs statusCode }
  } }
  pageInfo { hasNextPage endCursor }
"""
_PROBED = """
UPDATE check_states SET status = CASE WHEN check_id % 10 = 0 THEN 'DOWN' ELSE 'UP' END, last_slot = now(),
    last_started_at = now(), last_duration_us = 4200, last_outcome = 1, last_status_code = 200
"""
_LABELS = """UPDATE checks SET labels = '{"team": "shop", "tier": "1"}'"""
_INCIDENTS = """
INSERT INTO incidents (organization_id, check_id, opened_at, detected_at, cause, message)
SELECT organization_id, check_id, now(), now(), 'STATUS', 'got 503' FROM check_states WHERE status = 'DOWN'
"""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A client of one server, which asks for the page by one of its fields."""

    client: httpx.AsyncClient
    pid: int
    source: str

    async def load(self) -> int:
        """Load the page once; return how many checks it shows."""
        query = f"query Dashboard {{ page: {self.source}(first: {PAGE_SIZE}) {{ {_FIELDS} }} }}"
        response = await self.client.post("/graphql", json={"query": query})
        return len(response.json()["data"]["page"]["edges"])


@dataclass(slots=True)
class Sides:
    """The costs of each, round by round."""

    ours: list[Cost] = field(default_factory=list)
    naive: list[Cost] = field(default_factory=list)
    prefetched: list[Cost] = field(default_factory=list)


async def compare(servers: Servers, rounds: int = ROUNDS, pages: int = PAGES) -> Sides:
    """Alternate the sides on one database. The first round is not counted."""
    sides = Sides()
    async with _dashboards(servers) as (connection, dashboards):
        server = await postgres_cpu(connection)
        for number in range(rounds + 1):
            for dashboard, costs in zip(dashboards, (sides.ours, sides.naive, sides.prefetched), strict=True):
                with measured(pages, cpu_of(dashboard.pid), server) as cost:
                    for _ in range(pages):
                        assert await dashboard.load() == PAGE_SIZE
                if number > 0:
                    costs.append(cost)
    return sides


@asynccontextmanager
async def _dashboards(
    servers: Servers,
) -> AsyncIterator[tuple[Connection, tuple[Dashboard, Dashboard, Dashboard]]]:
    ports = free_ports(2)
    ours, stock = (f"http://127.0.0.1:{port}" for port in ports)
    async with installed(servers) as connection:
        token = await _prepare(connection)
        async with (
            running("graphql_api.main", servers, TOCSIN_PORT=str(ports[0])) as our_pid,
            running("benchmarks.stock_api", servers, str(ports[1])) as stock_pid,
            httpx.AsyncClient(base_url=ours, headers={"Authorization": f"Bearer {token}"}, timeout=30) as our_client,
            httpx.AsyncClient(base_url=stock, timeout=30) as stock_client,
        ):
            await asyncio.gather(answering(our_client), answering(stock_client))
            yield (
                connection,
                (
                    Dashboard(our_client, our_pid, "checks"),
                    Dashboard(stock_client, stock_pid, "checks"),
                    Dashboard(stock_client, stock_pid, "prefetchedChecks"),
                ),
            )


async def _prepare(connection: Connection) -> str:
    await make_checks(connection, CHECKS, 60, "http://127.0.0.1")
    for statement in (_LABELS, _PROBED, _INCIDENTS):
        await connection.execute(statement)
    return await create_token(connection, ORGANIZATION, "benchmark")


async def answering(client: httpx.AsyncClient) -> None:
    """Wait until the server answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                await client.post("/graphql", json={"query": "{ __typename }"})
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


def judge(sides: Sides) -> list[Figure]:
    """Against resolvers as one writes them first, and against prefetching ones."""
    ours = f"ours {_each(sides.ours)}"
    naive, prefetched = (median_ratio(sides.ours, costs) for costs in (sides.naive, sides.prefetched))
    subject = f"dashboard page of {PAGE_SIZE} checks"
    return [
        ratio(subject, "stock Strawberry", naive, 0.2, f"{ours}; stock {_each(sides.naive)}"),
        Figure(subject, "(stock, prefetching)", f"{prefetched:.3g}x", None, f"{ours}; stock {_each(sides.prefetched)}"),
    ]


def _each(costs: list[Cost]) -> str:
    cost = median(costs)
    share = cost.server_cpu_seconds / (cost.server_cpu_seconds + cost.client_cpu_seconds)
    wall_ms = cost.wall_seconds / cost.operations * 1000
    return f"{cost.cpu_ms / 1000:.3g} CPU-ms ({share:.0%} PostgreSQL), {wall_ms:.3g} ms a page"


if __name__ == "__main__":
    with running_servers() as started:
        publish(judge(uvloop.run(compare(started))))
