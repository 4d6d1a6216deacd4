"""The ledger under faults: `python -m benchmarks.ledger --minutes 5`.

2,000 checks every 10 s on 2 schedulers and 2 workers, one of which is killed or frozen every 20 s, at random but from a
seed. Then every slot that was due is accounted for, from the versions of the schedules, apart from the engine.
"""

import argparse
import asyncio
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.report import Figure, publish
from tests.engine.accounting import Account
from tests.engine.harness import EngineProcess, Platform, children_of, ended, http_target, state_of
from tocsin.embedded import embedded_servers
from tocsin.migrate import migrate

CHECKS = 2000
EVERY_SECONDS = 10
HARM_SECONDS = 20.0
RESTART_SECONDS = 1.0
LONGEST_FREEZE_SECONDS = 12.0
# A slot of a killed worker is probed by then, and one that nobody could probe is said to be missed.
SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run."""

    minutes: float
    checks: int
    seed: int


async def harm(processes: list[EngineProcess], order: Order, say: Console) -> None:
    """Kill or freeze one of them again and again, until the time is over."""
    chance = random.Random(order.seed)
    ends_at = time.monotonic() + order.minutes * 60
    while (left := ends_at - time.monotonic()) > 0:
        await asyncio.sleep(min(HARM_SECONDS, left))
        process = chance.choice(processes)
        if chance.random() < 0.5:
            say.print(f"kill a {process.module}")
            process.kill()
            await asyncio.sleep(RESTART_SECONDS)
            process.start()
        else:
            seconds = chance.uniform(1, LONGEST_FREEZE_SECONDS)
            say.print(f"freeze a {process.module} for {seconds:.1f} s")
            process.freeze()
            await asyncio.sleep(seconds)
            process.thaw()


async def run(platform: Platform, order: Order, say: Console) -> list[Figure]:
    """Run the engine while it comes to harm, and account for it."""
    async with http_target() as (port, _):
        await platform.prepare()
        await platform.make_checks(order.checks, EVERY_SECONDS, port, timeout_ms=5000)
        processes = [platform.scheduler(), platform.scheduler(), platform.worker(), platform.worker()]
        since = await platform.until_probing()
        await harm(processes, order, say)
        total = await platform.settled(since, SETTLE_SECONDS)
        problems = await platform.problems()
        false_failures = await platform.ask("SELECT count(*) FROM results WHERE outcome = 3")
        database = cpu_seconds(platform.servers.postgres.pid)
        await platform.stop()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    engine = usage.ru_utime + usage.ru_stime
    say.print(str(total), *problems, sep="\n")
    return [
        *slot_figures(total),
        *fault_figures(total, problems, false_failures),
        *cost_figures(total, engine, database),
    ]


def cpu_seconds(server: int) -> float:
    """What a server with all its processes has used, those that have ended included."""
    ticks = sum(int(number) for number in state_of(server)[11:15])
    ticks += sum(int(number) for child in children_of(server) for number in state_of(child)[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def slot_figures(total: Account) -> list[Figure]:
    """How the slots ended."""
    missed = ", ".join(f"{count} {reason}" for reason, count in total.missed.items()) or "none"
    return [
        Figure("slots due", "-", str(total.due), None, "by the versions of the schedules"),
        Figure("slots probed", "-", str(total.probed), None),
        Figure("slots missed, with a reason", "-", missed, None),
        Figure("slots in recorded gaps", "-", str(total.in_gaps), None),
        Figure("slots silent", "0", str(len(total.silent)), not total.silent),
        Figure("probed and not due", "0", str(len(total.strays)), not total.strays),
    ]


def fault_figures(total: Account, problems: list[str], false_failures: int) -> list[Figure]:
    """What the faults have cost."""
    late = sum(seconds > 1 for seconds in total.lateness)
    p50, p99, longest = total.percentile(0.5), total.percentile(0.99), total.max_lateness
    return [
        Figure(
            "lateness p50", "-", f"{p50 * 1000:.1f} ms", None, "from a slot to the start of its probe, faults included"
        ),
        Figure("lateness p99", "<= 1 s", f"{p99:.3f} s", p99 <= 1),
        Figure("slots late by more than 1 s", "-", f"{late} ({late / max(total.probed, 1):.1%})", None),
        Figure("lateness max", "<= 10 s", f"{longest:.3f} s", longest <= 10),
        Figure("false failures", "0", str(false_failures), false_failures == 0, "all targets answer"),
        Figure("contradictions", "0", str(len(problems)), not problems, "states, incidents and events, folded anew"),
    ]


def cost_figures(total: Account, engine: float, database: float) -> list[Figure]:
    """CPU-seconds for each 1,000 probes, restarts included."""
    thousands = total.probed / 1000
    return [
        Figure("CPU of schedulers and workers", "-", f"{engine / thousands:.2f} s per 1,000 probes", None),
        Figure("CPU of PostgreSQL", "-", f"{database / thousands:.2f} s per 1,000 probes", None),
    ]


@contextmanager
def platform() -> Iterator[Platform]:
    """Servers and a database that are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-ledger-"))
    # The servers' account passes through it.
    folder.chmod(0o711)
    try:
        with embedded_servers(folder / "data", fast=True) as servers:
            asyncio.run(migrate(servers.database_url))
            with ended(Platform(servers, servers.database_url, folder)) as made:
                yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Read what to run, run it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--checks", type=int, default=CHECKS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with platform() as made:
        publish(asyncio.run(run(made, Order(given.minutes, given.checks, given.seed), Console(stderr=True))))


if __name__ == "__main__":
    main()
