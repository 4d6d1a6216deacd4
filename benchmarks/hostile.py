"""Targets that mean harm among good ones: `python -m benchmarks.hostile --seconds 60`.

2,000 good checks every 10 s on a scheduler and two workers, first by themselves, then beside 200 hostile ones: the
tricks of tests/hostile in turn. What is compared is how late the good ones are probed, and how far the workers grow.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console

from benchmarks.ledger import platform
from benchmarks.report import Figure, publish
from tests.engine.harness import EngineProcess, Platform, http_target
from tests.hostile.corpus import TRICKS
from tests.hostile.servers import HostileServers
from tests.hostile.tricks import filled
from tests.servers.processes import running

EVERY_SECONDS = 10
TIMEOUT_MS = 1000
# Until plans and workers have taken in what is new.
SETTLE_SECONDS = 12.0
SAMPLE_SECONDS = 0.25
MIB = 2**20

_LATENESS = """
SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - slot)), 0)::float8 AS p99,
       count(*) AS probed, count(*) FILTER (WHERE outcome <> 1) AS failed
FROM results WHERE check_id = ANY($1::bigint[]) AND slot > $2 AND slot <= $3
"""
_OVERTIME = """
SELECT coalesce(max(duration_us), 0) / 1e3 - $4 AS max, count(*) AS probed,
       coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_us), 0)::float8 / 1e3 - $4 AS p99
FROM results WHERE check_id = ANY($1::bigint[]) AND slot > $2 AND slot <= $3
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run."""

    good: int
    hostile: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen in a stretch of time. Lateness in seconds, memory of all workers together at its peak."""

    since: datetime
    until: datetime
    p99: float
    probed: int
    failed: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The good ones alone, and beside the hostile ones; by how many milliseconds those exceeded their timeout."""

    alone: Window
    beside: Window
    hostile_probes: int
    overtime_p99_ms: float
    overtime_max_ms: float


async def compare(made: Platform, order: Order, say: Console) -> Outcome:
    """Run the good checks alone, then with the hostile ones, on a platform that is prepared."""
    async with http_target() as (port, _):
        with running(HostileServers) as servers:
            good = await made.make_checks(order.good, EVERY_SECONDS, port, timeout_ms=TIMEOUT_MS)
            made.scheduler()
            workers = [made.worker(), made.worker()]
            await made.until_probing()
            alone = await observe(made, workers, good, order.seconds)
            say.print(f"alone: {alone}")
            bad = await make_hostile(made, servers, order.hostile)
            beside = await observe(made, workers, good, order.seconds)
            say.print(f"beside hostile targets: {beside}")
            outcome = await judge_hostile(made, bad, alone, beside)
            await made.stop()
    return outcome


async def run(made: Platform, order: Order, say: Console) -> list[Figure]:
    await made.prepare()
    return figures(await compare(made, order, say))


async def make_hostile(made: Platform, servers: HostileServers, count: int) -> list[int]:
    """Checks of the tricks in turn, of which each is told where its server is; name servers are a worker's own."""
    tricks = [trick for trick in TRICKS if not (trick.names or trick.environment)]
    ids = []
    for trick in islice(cycle(tricks), count):
        target = filled(trick.fields, servers.port_of(trick.name), servers.credentials.ca)
        ids += await made.make_checks_of(trick.kind, json.dumps(target), 1, EVERY_SECONDS, TIMEOUT_MS)
    return ids


async def observe(made: Platform, workers: Sequence[EngineProcess], ids: list[int], seconds: float) -> Window:
    await asyncio.sleep(SETTLE_SECONDS)
    since = await made.now()
    peak = 0
    for _ in range(int(seconds / SAMPLE_SECONDS)):
        peak = max(peak, sum(resident_bytes(worker.pid) for worker in workers))
        await asyncio.sleep(SAMPLE_SECONDS)
    until = await made.now()
    # What was due last may still be under way.
    await asyncio.sleep(2 * TIMEOUT_MS / 1000)
    async with made.connection() as connection:
        [row] = await connection.fetch(_LATENESS, ids, since, until)
    return Window(since, until, row["p99"], row["probed"], row["failed"], peak)


async def judge_hostile(made: Platform, ids: list[int], alone: Window, beside: Window) -> Outcome:
    async with made.connection() as connection:
        [row] = await connection.fetch(_OVERTIME, ids, beside.since, beside.until, TIMEOUT_MS)
    return Outcome(alone, beside, row["probed"], float(row["p99"]), float(row["max"]))


def resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def figures(outcome: Outcome) -> list[Figure]:
    later_ms = (outcome.beside.p99 - outcome.alone.p99) * 1000
    grown = (outcome.beside.memory_bytes - outcome.alone.memory_bytes) / MIB
    both = f"p99 {outcome.alone.p99 * 1000:.1f} ms alone, {outcome.beside.p99 * 1000:.1f} ms beside"
    probes = f"{outcome.alone.probed} and {outcome.beside.probed} probes"
    failed = outcome.alone.failed + outcome.beside.failed
    over = outcome.overtime_max_ms
    return [
        Figure("good targets later beside hostile ones", "<= 100 ms", f"{later_ms:.1f} ms", later_ms <= 100, both),
        Figure("workers grown beside hostile targets", "<= 64 MiB", f"{grown:.1f} MiB", grown <= 64, "both together"),
        Figure(
            "hostile probes beyond their timeout, max",
            "<= 250 ms",
            f"{over:.1f} ms",
            over <= 250,
            f"{outcome.hostile_probes} probes; p99 {outcome.overtime_p99_ms:.1f} ms",
        ),
        Figure("good targets that failed", "0", str(failed), failed == 0, probes),
    ]


def main() -> None:
    """Read what to run, run it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=2000)
    parser.add_argument("--hostile", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    order = Order(given.good, given.hostile, given.seconds)
    with platform() as made:
        publish(asyncio.run(run(made, order, Console(stderr=True))))


if __name__ == "__main__":
    main()
