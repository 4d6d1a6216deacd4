"""How late probes start, and what a whole installation uses: planning, probing, recording and a dashboard that is open.

Two loads, each on a new ledger: 2,000 checks every 10 seconds with one worker, and 50,000 every minute with two. In the
first minute every check is new to its worker, so targets are parsed too. Then ticks of 100,000 checks are planned.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import redis
import uvloop

from benchmarks.costs import CpuClock, cpu_of, measured, own_cpu
from benchmarks.delivery import free_ports
from benchmarks.installation import ORGANIZATION, installed, make_checks, postgres_cpu, running, running_servers
from benchmarks.page import Dashboard, answering
from benchmarks.report import Figure, publish
from benchmarks.target import Target, running_target
from tocsin.database import Connection, Role, open_pool
from tocsin.services.accounts import create_token
from tocsin.services.planning import plan_next_tick, start_ledger
from tocsin.settings import Servers

SECONDS = 15.0
TICKS = 30
_START = timedelta(seconds=3)
_WARM_UP = timedelta(seconds=3)
_PAGE_EVERY_SECONDS = 0.2

_LATENESS = """
SELECT count(*) AS results, count(*) FILTER (WHERE outcome <> 1) AS others,
       percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - slot)) AS late
FROM results WHERE slot >= $1 AND slot < $2
"""


@dataclass(frozen=True, slots=True)
class Load:
    """So many checks, each due once in so many seconds, and how many workers share them."""

    checks: int
    interval_seconds: int
    workers: int = 1

    def __str__(self) -> str:
        return f"{self.checks:,} checks every {self.interval_seconds} s"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a load: lateness (median, p99, maximum) and pages in seconds, and how busy each part kept a core."""

    results: int
    unsuccessful: int
    late: tuple[float, float, float]
    pages: Sequence[float]
    cores: dict[str, float]


async def bear(load: Load, servers: Servers, target: Target, seconds: float) -> Seen:
    """Let an installation bear a load for some seconds."""
    async with installed(servers) as connection, _running_all(load, servers, connection) as (dashboard, clocks):
        since = datetime.now(UTC) + _START
        await make_checks(connection, load.checks, load.interval_seconds, target.http_url, since)
        clocks["PostgreSQL"] = await postgres_cpu(connection)
        await asyncio.sleep((since + _WARM_UP - datetime.now(UTC)).total_seconds())
        began_at, began = datetime.now(UTC), {name: clock() for name, clock in clocks.items()}
        pages = await _look_for(seconds, dashboard)
        cores = {name: (clock() - began[name]) / seconds for name, clock in clocks.items()}
        ended_at = datetime.now(UTC)
        # What is under way at the end is recorded.
        await asyncio.sleep(1)
        row = await connection.fetchrow(_LATENESS, began_at, ended_at)
    assert row is not None
    return Seen(row["results"], row["others"], tuple(row["late"] or (0, 0, 0)), pages, cores)


@asynccontextmanager
async def _running_all(
    load: Load, servers: Servers, connection: Connection
) -> AsyncIterator[tuple[Dashboard, dict[str, CpuClock]]]:
    [port] = free_ports(1)
    token = await create_token(connection, ORGANIZATION, "benchmark")
    url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}
    async with (
        running("probes.scheduler", servers) as scheduler,
        _running_workers(load.workers, servers) as workers,
        running("graphql_api.main", servers, TOCSIN_PORT=str(port)) as api,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client,
    ):
        await answering(client)
        with redis.Redis.from_url(servers.redis_url) as valkey:
            valkey_pid = valkey.info()["process_id"]
        pids = {"scheduler": [scheduler], "workers": workers, "API": [api], "Valkey": [valkey_pid]}
        yield Dashboard(client, api, "checks"), {name: _sum(ids) for name, ids in pids.items()}


@asynccontextmanager
async def _running_workers(count: int, servers: Servers) -> AsyncIterator[list[int]]:
    if count == 0:
        yield []
        return
    async with running("probes.worker", servers) as pid, _running_workers(count - 1, servers) as others:
        yield [pid, *others]


def _sum(pids: Sequence[int]) -> CpuClock:
    clocks = [cpu_of(pid) for pid in pids]
    return lambda: sum(clock() for clock in clocks)


async def _look_for(seconds: float, dashboard: Dashboard) -> list[float]:
    """Load a dashboard's page over and over; return how long each took."""
    pages: list[float] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                started = time.perf_counter()
                await dashboard.load()
                pages.append(time.perf_counter() - started)
                await asyncio.sleep(_PAGE_EVERY_SECONDS)
    return pages


async def plan(servers: Servers, connection: Connection, ticks: int) -> tuple[float, int]:
    """Plan ticks of all checks that there are; return the CPU-ms of one, client and server, and its slots."""
    server = await postgres_cpu(connection)
    async with await open_pool(servers.database_url, Role.ENGINE) as pool, pool.acquire() as engine:
        await start_ledger(engine, datetime.now(UTC))
        far = datetime.now(UTC) + timedelta(hours=1)
        await plan_next_tick(engine, far)
        slots = 0
        with measured(ticks, own_cpu, server) as cost:
            for _ in range(ticks):
                tick = await plan_next_tick(engine, far)
                assert tick is not None
                slots += tick.slots
    return cost.cpu_ms / 1000, slots // ticks


def judge_late(load: Load, seen: Seen) -> list[Figure]:
    """Lateness at its 99th percentile."""
    median, p99, most = (seconds * 1000 for seconds in seen.late)
    detail = f"p50 {median:.1f} ms, max {most:.0f} ms; {seen.results} results, {seen.unsuccessful} without success"
    return [Figure(f"a due check starts, {load}", "p99 <= 150 ms late", f"{p99:.1f} ms", p99 <= 150, detail)]


def judge_cores(load: Load, seen: Seen) -> list[Figure]:
    """The whole on two cores, and the page under that load."""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in sorted(seen.cores.items(), key=lambda each: -each[1]))
    total = sum(seen.cores.values())
    page_ms = statistics.quantiles(seen.pages, n=100)[98] * 1000
    usual_ms = statistics.median(seen.pages) * 1000
    return [
        Figure(
            f"{load}, {load.workers} workers", "<= 2 cores", f"{total:.2f} cores", total <= 2, f"of a core: {shares}"
        ),
        Figure(
            "... a dashboard's page meanwhile",
            "p99 <= 200 ms",
            f"{page_ms:.0f} ms",
            page_ms <= 200,
            f"p50 {usual_ms:.0f} ms",
        ),
    ]


async def run(seconds: float = SECONDS, few: Load = Load(2000, 10), many: Load = Load(50_000, 60, 2)) -> list[Figure]:
    """All figures of lateness and load."""
    figures: list[Figure] = []
    with running_target() as target:
        for load in (few, many):
            with running_servers() as servers:
                seen = await bear(load, servers, target, seconds)
            figures += judge_late(load, seen)
            if load is many:
                figures += judge_cores(load, seen)
    with running_servers() as servers:
        return [*figures, await run_planning(servers)]


async def run_planning(servers: Servers, checks: int = 100_000, ticks: int = TICKS) -> Figure:
    """What planning a second of one-minute checks costs."""
    async with installed(servers) as connection:
        await make_checks(connection, checks, 60, "http://127.0.0.1", datetime.now(UTC) - timedelta(minutes=1))
        cpu_ms, slots = await plan(servers, connection, ticks)
    return Figure(
        f"a tick of {checks:,} one-minute checks", "-", f"{cpu_ms:.1f} CPU-ms", None, f"{slots} slots in batches"
    )


if __name__ == "__main__":
    publish(uvloop.run(run()))
