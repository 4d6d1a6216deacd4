"""What a probe costs: ours against Go's net/http, blackbox_exporter and stock httpx, on the same target."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import uvloop

from benchmarks.costs import Cost, CpuClock, cpu_of, measured, median, median_ratio, own_cpu
from benchmarks.peers import build_go_probe, find_exporter, probe_with_go, running_exporter
from benchmarks.report import Figure, not_at_hand, publish, ratio
from benchmarks.target import Target, running_target
from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.runner import probe
from probes.wire.tls_contexts import TlsContexts
from tocsin.domain.observations import Outcome
from tocsin.domain.targets.http import HttpTarget

ROUNDS = 9
CONCURRENCY = 100
COUNT = 2000
_TIMEOUT = timedelta(seconds=10)
# Stock httpx and blackbox_exporter cost so much more that fewer probes say as much.
_DEAR = 4
_PATHS = 100

ProbeOne = Callable[[str], Awaitable[bool]]


@dataclass(slots=True)
class Contest:
    """The costs of each, round by round; None for what is not at hand."""

    ours: list[Cost] = field(default_factory=list)
    httpx: list[Cost] = field(default_factory=list)
    go: list[Cost] | None = None
    exporter: list[Cost] | None = None


async def probe_many(probe_one: ProbeOne, url: str, count: int, cpu: CpuClock = own_cpu) -> Cost:
    """Probe at the concurrency of all contestants. Every probe must succeed."""
    left = iter(range(count))

    async def go_on() -> None:
        for i in left:
            assert await probe_one(f"{url}/{i % _PATHS}")

    with measured(count, cpu) as cost:
        await asyncio.gather(*(go_on() for _ in range(CONCURRENCY)))
    return cost


def our_probe(engine: Engine) -> ProbeOne:
    """The engine, called as a worker calls it; targets are parsed once, as there."""
    targets: dict[str, HttpTarget] = {}

    async def probe_one(url: str) -> bool:
        target = targets.get(url) or targets.setdefault(url, HttpTarget(url=url))
        return (await probe(target, _TIMEOUT, engine)).outcome is Outcome.SUCCESS

    return probe_one


def httpx_probe(client: httpx.AsyncClient) -> ProbeOne:
    """Stock httpx as its documentation shows it, with one client."""

    async def probe_one(url: str) -> bool:
        return (await client.get(url)).is_success

    return probe_one


def exporter_probe(client: httpx.AsyncClient, address: str) -> ProbeOne:
    """Ask blackbox_exporter for a probe; the cost of asking is not counted."""

    async def probe_one(url: str) -> bool:
        answer = await client.get(f"{address}/probe", params={"target": url, "module": "http_2xx"})
        return "\nprobe_success 1" in answer.text

    return probe_one


async def compare_http(target: Target, rounds: int = ROUNDS, count: int = COUNT, *, peers: bool = True) -> Contest:
    """Alternate the contestants over HTTP."""
    contest = Contest()
    go = build_go_probe() if peers else None
    exporter = find_exporter() if peers else None
    ours = our_probe(Engine(EgressPolicy(allow_private=True), lambda: datetime.now(UTC)))
    with ExitStack() as stack:
        async with httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0)) as client:
            running = None if exporter is None else stack.enter_context(running_exporter(exporter))
            await _warm_up(ours, httpx_probe(client), target.http_url)
            for _ in range(rounds):
                contest.ours.append(await probe_many(ours, target.http_url, count))
                contest.httpx.append(await probe_many(httpx_probe(client), target.http_url, count // _DEAR))
                await _let_go_probe(contest, go, target.http_url, None, count)
                if running is not None:
                    await _let_exporter_probe(contest, *running, target.http_url, count // _DEAR)
    return contest


async def compare_https(target: Target, rounds: int = ROUNDS, count: int = COUNT, *, peers: bool = True) -> Contest:
    """Alternate the contestants over HTTPS; all verify the certificate against the target's authority."""
    contest = Contest()
    go = build_go_probe() if peers else None
    contexts = TlsContexts(str(target.ca_file))
    ours = our_probe(Engine(EgressPolicy(allow_private=True), lambda: datetime.now(UTC), tls_contexts=contexts))
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, verify=contexts.of()) as client:
        await _warm_up(ours, httpx_probe(client), target.https_url)
        for _ in range(rounds):
            contest.ours.append(await probe_many(ours, target.https_url, count))
            contest.httpx.append(await probe_many(httpx_probe(client), target.https_url, count // _DEAR))
            await _let_go_probe(contest, go, target.https_url, target.ca_file, count)
    return contest


async def _warm_up(ours: ProbeOne, stock: ProbeOne, url: str) -> None:
    for probe_one in (ours, stock):
        await probe_many(probe_one, url, CONCURRENCY)


async def _let_go_probe(contest: Contest, program: Path | None, url: str, ca_file: Path | None, count: int) -> None:
    if program is not None:
        cost = await asyncio.to_thread(probe_with_go, program, url, ca_file, count, CONCURRENCY)
        contest.go = [*(contest.go or ()), cost]


async def _let_exporter_probe(contest: Contest, pid: int, address: str, url: str, count: int) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        cost = await probe_many(exporter_probe(client, address), url, count, cpu_of(pid))
    contest.exporter = [*(contest.exporter or ()), cost]


def judge(name: str, contest: Contest, go_at_most: float, exporter_at_most: float | None) -> list[Figure]:
    """Each comparison with its goal."""
    ours = f"ours {median(contest.ours)}"
    figures = [_against(name, "Go net/http", contest, contest.go, go_at_most)]
    if exporter_at_most is not None:
        figures.append(_against(name, "blackbox_exporter", contest, contest.exporter, exporter_at_most))
    times = 1 / median_ratio(contest.ours, contest.httpx)
    detail = f"{ours}; httpx {median(contest.httpx)}"
    return [*figures, Figure(name, "(stock httpx, for scale)", f"httpx costs {times:.3g}x", None, detail)]


def _against(name: str, reference: str, contest: Contest, costs: list[Cost] | None, at_most: float) -> Figure:
    if costs is None:
        return not_at_hand(name, reference)
    each = [median_ratio([a], [b]) for a, b in zip(contest.ours, costs, strict=True)]
    detail = f"ours {median(contest.ours)}; {reference} {median(costs)}; rounds {min(each):.2f}-{max(each):.2f}"
    return ratio(name, reference, median_ratio(contest.ours, costs), at_most, detail)


async def run() -> list[Figure]:
    """All figures of probes."""
    with running_target() as target:
        http = judge("HTTP probe", await compare_http(target), 1.3, 0.2)
        https = judge("verified HTTPS probe", await compare_https(target, count=COUNT // 5), 1.8, None)
        return list(itertools.chain(http, https))


if __name__ == "__main__":
    publish(uvloop.run(run()))
