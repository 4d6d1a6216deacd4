"""What a check costs from the ledger to its stored result: our worker, and the same one on stock httpx.

A scheduler plans all the time; the workers take turns, each on checks of its own that are due every second, from when
it is ready. What a worker and PostgreSQL use is counted over some seconds, against the results that are stored in them.
Stock httpx is given what keeps it busy for most of a core, as more makes each of its probes dearer; ours is measured
under that load, and under one that keeps it busy too.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import uvloop

from benchmarks.costs import Cost, CpuClock, cpu_of, median, median_ratio
from benchmarks.installation import (
    delete_checks,
    engine_sessions,
    installed,
    make_checks,
    postgres_cpu,
    running,
    running_servers,
)
from benchmarks.report import Figure, publish
from benchmarks.target import running_target
from tocsin.database import Connection
from tocsin.settings import Servers

ROUNDS = 2
SECONDS = 4.0
# Checks a second.
SAME_LOAD = 400
BUSY_LOAD = 4000
OURS, STOCK = "probes.worker", "benchmarks.stock_worker"
_START = timedelta(seconds=3)
# The first results of new checks decide their status.
_WARM_UP = timedelta(seconds=2)

_STORED = "SELECT count(*) FROM results WHERE outcome = 1"


@dataclass(slots=True)
class Turns:
    """The costs of each, turn by turn."""

    ours: list[Cost] = field(default_factory=list)
    ours_busy: list[Cost] = field(default_factory=list)
    stock: list[Cost] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Course:
    """Where the turns take place."""

    servers: Servers
    connection: Connection
    url: str
    seconds: float

    async def turn(self, module: str, load: int) -> Cost:
        """Let a worker probe so many checks a second."""
        await delete_checks(self.connection)
        server = await postgres_cpu(self.connection)
        sessions = await engine_sessions(self.connection)
        async with running(module, self.servers, TOCSIN_WORKER_CONCURRENCY="20000") as pid:
            while await engine_sessions(self.connection) == sessions:  # noqa: ASYNC110 - another process makes them
                await asyncio.sleep(0.1)
            since = datetime.now(UTC) + _START
            newest = await self.connection.fetchval("SELECT coalesce(max(id), 0) FROM checks")
            await make_checks(self.connection, load, 1, self.url, since, first=newest + 1)
            await asyncio.sleep((since + _WARM_UP - datetime.now(UTC)).total_seconds())
            return await cost_of_stored(self.connection, cpu_of(pid), server, self.seconds)


async def cost_of_stored(connection: Connection, client: CpuClock, server: CpuClock, seconds: float) -> Cost:
    """What is used in the coming seconds, and how many results are stored in them."""
    before = await connection.fetchval(_STORED)
    began = client(), server(), time.perf_counter()
    await asyncio.sleep(seconds)
    ended = client(), server(), time.perf_counter()
    after = await connection.fetchval(_STORED)
    return Cost(after - before, *(late - early for early, late in zip(began, ended, strict=True)))


async def take_turns(
    rounds: int = ROUNDS, seconds: float = SECONDS, same_load: int = SAME_LOAD, busy_load: int = BUSY_LOAD
) -> Turns:
    """Let the workers alternate on one ledger."""
    turns = Turns()
    with running_target() as target, running_servers() as servers:
        async with installed(servers) as connection, running("probes.scheduler", servers):
            course = Course(servers, connection, target.http_url, seconds)
            for _ in range(rounds):
                turns.ours.append(await course.turn(OURS, same_load))
                turns.stock.append(await course.turn(STOCK, same_load))
                turns.ours_busy.append(await course.turn(OURS, busy_load))
    return turns


def judge(turns: Turns) -> list[Figure]:
    """Checks per CPU-second, of the worker process, and with all of PostgreSQL."""
    busy, same = _rate(turns.ours_busy), _rate(turns.ours)
    times = median_ratio(_workers(turns.stock), _workers(turns.ours_busy))
    whole = median_ratio(turns.stock, turns.ours_busy)
    alike = median_ratio(_workers(turns.stock), _workers(turns.ours))
    costs = f"ours {median(turns.ours_busy)}; stock {median(turns.stock)}; with PostgreSQL {whole:.3g}x"
    return [
        Figure(
            f"pipeline, worker: ours at {busy}/s, stock at {_rate(turns.stock)}/s",
            ">= 10x the checks per CPU-s of stock httpx",
            f"{times:.3g}x",
            times >= 10,
            costs,
        ),
        Figure(
            f"pipeline, worker: both at {same}/s",
            "(the same load)",
            f"{alike:.3g}x",
            None,
            f"ours {median(turns.ours)}",
        ),
    ]


def _rate(costs: Sequence[Cost]) -> int:
    return round(median(costs).operations / median(costs).wall_seconds)


def _workers(costs: Sequence[Cost]) -> list[Cost]:
    return [replace(cost, server_cpu_seconds=0.0) for cost in costs]


if __name__ == "__main__":
    publish(judge(uvloop.run(take_turns())))
