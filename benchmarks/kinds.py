"""What a probe of each kind costs, on real servers: `python -m benchmarks.kinds [CASE ...]`.

Beside each stands how many times as much as a plain HTTP probe that is, and what blackbox_exporter needs for the same
target where it knows the kind. Kinds whose server is not installed are named; `make servers` installs them.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
import uvloop

from benchmarks.costs import Cost, CpuClock, cpu_of, measured, median, median_ratio, own_cpu
from benchmarks.kind_cases import CASES, Case
from benchmarks.report import Figure, not_at_hand, publish
from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import probe
from tests.servers.blackbox import BlackboxExporter
from tests.servers.processes import LoopbackServer, running
from tocsin.domain.observations import Outcome
from tocsin.domain.targets import KINDS, parse_target

ROUNDS: Final = 5
COUNT: Final = 200
CONCURRENCY: Final = 10
_TIMEOUT: Final = timedelta(seconds=10)

Probe = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class Costs:
    """Of one case, round by round."""

    ours: list[Cost] = field(default_factory=list)
    exporter: list[Cost] = field(default_factory=list)


@dataclass(slots=True)
class Servers:
    """The servers that run, each started once. Those that cannot are None."""

    stack: ExitStack
    _started: dict[type[LoopbackServer], LoopbackServer | None] = field(default_factory=dict)

    def of(self, kind: type[LoopbackServer]) -> Any:  # noqa: ANN401 - each case knows its own
        if kind not in self._started:
            try:
                self._started[kind] = self.stack.enter_context(running(kind))
            except pytest.skip.Exception as missing:
                print(f"{kind.name}: {missing}", file=sys.stderr)
                self._started[kind] = None
        return self._started[kind]


def our_probe(kind: str, fields: Mapping[str, Any]) -> Probe:
    """The engine, called as a worker calls it."""
    engine = Engine(EgressPolicy(allow_private=True), lambda: datetime.now(UTC))
    target = parse_target(kind, fields)

    async def once() -> bool:
        seen = await probe(target, _TIMEOUT, engine)
        if seen.outcome is not Outcome.SUCCESS:
            print(f"{kind}: {seen.reason} {seen.message}", file=sys.stderr)
        return seen.outcome is Outcome.SUCCESS

    return once


def exporter_probe(client: httpx.AsyncClient, url: str) -> Probe:
    """Ask blackbox_exporter; what asking costs is not counted."""

    async def once() -> bool:
        return "\nprobe_success 1" in (await client.get(url)).text

    return once


async def cost_of(once: Probe, cpu: CpuClock = own_cpu) -> Cost:
    """Of so many probes, which must all succeed."""
    left = iter(range(COUNT))

    async def go_on() -> None:
        for _ in left:
            assert await once()

    with measured(COUNT, cpu) as cost:
        await asyncio.gather(*(go_on() for _ in range(CONCURRENCY)))
    return cost


async def compare(case: Case, servers: Servers) -> Costs | None:
    """Alternate ours and the exporter's; None where the server is not at hand."""
    server = servers.of(case.server)
    if server is None:
        return None
    costs = Costs()
    ours = our_probe(case.kind, case.fields(server))
    exporter: BlackboxExporter | None = servers.of(BlackboxExporter) if case.module else None
    await ours()
    async with httpx.AsyncClient(timeout=30) as client:
        for _ in range(ROUNDS):
            costs.ours.append(await cost_of(ours))
            if exporter is not None and case.module is not None:
                asked = exporter_probe(client, exporter.url(case.module, case.address(server)))
                costs.exporter.append(await cost_of(asked, cpu_of(exporter.pid)))
    return costs


def figures_of(name: str, costs: Costs | None, plain: Costs | None) -> list[Figure]:
    """What it costs, and as a multiple."""
    if costs is None:
        return [not_at_hand(name, "its server")]
    times = "" if plain is None else f"{median_ratio(costs.ours, plain.ours):.3g}x plain HTTP"
    shown = [Figure(name, "(none: for scale)", times, None, f"ours {median(costs.ours)}")]
    if costs.exporter:
        detail = f"blackbox_exporter {median(costs.exporter)}"
        times = f"{median_ratio(costs.ours, costs.exporter):.3g}x"
        shown.append(Figure(name, "(against blackbox_exporter)", times, None, detail))
    return shown


async def run(names: list[str]) -> list[Figure]:
    """All cases, or those that are named; a kind without a case is told too."""
    figures: list[Figure] = []
    with ExitStack() as stack:
        servers = Servers(stack)
        plain = await compare(CASES["http"], servers)
        for name in names or CASES:
            costs = plain if name == "http" else await compare(CASES[name], servers)
            figures += figures_of(name, costs, plain)
    without = sorted(set(KINDS) - {case.kind for case in CASES.values()})
    return [*figures, Figure("without a case", "", ", ".join(without), None)]


if __name__ == "__main__":
    publish(uvloop.run(run([name for name in sys.argv[1:] if not name.startswith("-")])))
