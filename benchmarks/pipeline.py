"""What a check costs from the ledger to its recorded result: our worker, and the same one on stock httpx.

A scheduler plans all the time; the workers take turns. What a worker and PostgreSQL use is counted over whole seconds,
against the results of the slots that were due in them; starting a worker is not counted.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import uvloop

from benchmarks.costs import Cost, CpuClock, cpu_of, median, median_ratio
from benchmarks.installation import installed, make_checks, postgres_cpu, running, running_servers
from benchmarks.report import Figure, publish
from benchmarks.target import running_target
from tocsin.database import Connection
from tocsin.embedded import EmbeddedServers

ROUNDS = 3
SECONDS = 6
CHECKS = 800
INTERVAL_SECONDS = 2
OURS, STOCK = "probes.worker", "benchmarks.stock_worker"
# A worker connects, and catches up with what waited for it.
_WARM_UP_SECONDS = 4

_RECORDED = "SELECT count(*) FROM results WHERE slot >= $1 AND slot < $2 AND outcome = 1"


@dataclass(slots=True)
class Turns:
    """The costs of both, turn by turn."""

    ours: list[Cost] = field(default_factory=list)
    stock: list[Cost] = field(default_factory=list)


async def take_turns(rounds: int = ROUNDS, seconds: float = SECONDS, checks: int = CHECKS) -> Turns:
    """Let the workers alternate on one ledger."""
    turns = Turns()
    with running_target() as target, running_servers() as servers:
        async with installed(servers) as connection, running("probes.scheduler", servers):
            await make_checks(connection, checks, INTERVAL_SECONDS, target.http_url)
            for _ in range(rounds):
                turns.ours.append(await _take_turn(OURS, servers, connection, seconds))
                turns.stock.append(await _take_turn(STOCK, servers, connection, seconds))
    return turns


async def _take_turn(module: str, servers: EmbeddedServers, connection: Connection, seconds: float) -> Cost:
    server = await postgres_cpu(connection)
    async with running(module, servers) as pid:
        await asyncio.sleep(_WARM_UP_SECONDS)
        return await count_recorded(connection, cpu_of(pid), server, seconds)


async def count_recorded(connection: Connection, client: CpuClock, server: CpuClock, seconds: float) -> Cost:
    """What the results of the coming seconds cost. Those at both ends are under way, as many as went before."""
    began = datetime.now(UTC), client(), server(), time.perf_counter()
    await asyncio.sleep(seconds)
    ended = datetime.now(UTC), client(), server(), time.perf_counter()
    await asyncio.sleep(0.5)
    recorded = await connection.fetchval(_RECORDED, began[0], ended[0])
    cpu_client, cpu_server, wall = (after - before for before, after in zip(began[1:], ended[1:], strict=True))
    return Cost(recorded, cpu_client, cpu_server, wall)


def judge(turns: Turns) -> list[Figure]:
    """Checks per CPU-second, of the worker process and with all of PostgreSQL."""
    worker = [[_without_server(cost) for cost in costs] for costs in (turns.stock, turns.ours)]
    detail = f"ours {median(turns.ours)}; stock {median(turns.stock)}"
    rate = turns.ours[0].operations / turns.ours[0].wall_seconds
    subject = f"pipeline, {rate:.0f} checks/s"
    times = median_ratio(*worker)
    return [
        Figure(
            f"{subject}: worker", ">= 10x the checks per CPU-s of stock httpx", f"{times:.3g}x", times >= 10, detail
        ),
        Figure(f"{subject}: worker and PostgreSQL", "-", f"{median_ratio(turns.stock, turns.ours):.3g}x", None, ""),
    ]


def _without_server(cost: Cost) -> Cost:
    return Cost(cost.operations, cost.client_cpu_seconds, wall_seconds=cost.wall_seconds)


if __name__ == "__main__":
    publish(judge(uvloop.run(take_turns())))
