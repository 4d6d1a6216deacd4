"""What it costs to deliver an event to a subscriber, and how long it takes.

The servers' CPU time is compared, without that of the clients: ours reads the event log and executes the subscription
once for each event; stock Strawberry is fed from memory. Latency is from the commit to the client's socket.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta

import httpx
import uvloop

from benchmarks.costs import Cost, cpu_of, measured, median, median_ratio
from benchmarks.installation import ORGANIZATION, installed, make_checks, running_servers
from benchmarks.report import Figure, publish, ratio
from benchmarks.subscribers import Audience, percentile
from tocsin.database import Pool, Role, open_pool
from tocsin.domain.observations import Observation, Outcome, Phases
from tocsin.doorbell import Doorbell
from tocsin.services.accounts import create_token
from tocsin.services.recording import Result, record

ROUNDS = 3
SUBSCRIBERS = 1000
EVENTS = 10
ROUND_SECONDS = 0.5
EVENTS_PER_SECOND = 100
SECONDS = 4

QUERY = """
subscription { checkResults { cursor result {
    slot outcome reason durationMs statusCode location phases { connectMs tlsMs processingMs transferMs }
} check { id name status } } }
"""

_STARTED_SECONDS = 20.0
_CHECKS = 100


class Writer:
    """Lets results be recorded, one in each transaction, and rings the doorbell."""

    def __init__(self, pool: Pool, doorbell: Doorbell) -> None:
        self._pool = pool
        self._doorbell = doorbell
        self._written = 0
        self._since = datetime.now(UTC).replace(microsecond=0)

    async def emit(self, audience: Audience, count: int, seconds: float) -> None:
        """Let so many events happen, evenly in that time."""
        async with self._pool.acquire() as connection:
            # A disk that stalls would let events come in bursts.
            await connection.execute("SET synchronous_commit = off")
            started = time.perf_counter()
            for number in range(count):
                await record(connection, [self._result()], datetime.now(UTC))
                audience.happened.append(time.perf_counter())
                await self._doorbell.ring([ORGANIZATION])
                await asyncio.sleep(max(0.0, started + (number + 1) * seconds / count - time.perf_counter()))

    def _result(self) -> Result:
        turn, check = divmod(self._written, _CHECKS)
        self._written += 1
        slot = self._since + timedelta(seconds=turn, milliseconds=check)
        phases = Phases(None, *(timedelta(microseconds=us) for us in (310, 1250, 2480, 95)))
        seen = Observation(Outcome.SUCCESS, slot, timedelta(microseconds=4_200), None, None, 200, phases, "192.0.2.7")
        return Result(check + 1, slot, 1, 1, seen)


async def emit_in_memory(port: int, count: int, seconds: float) -> None:
    """The same for a server of `delivery_servers`."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await client.get(f"http://127.0.0.1:{port}/emit", params={"count": count, "seconds": seconds})


@contextmanager
def serving(port: int, *module: str, **environment: str) -> Iterator[int]:
    """Run a server in a process of its own; yield its id."""
    process = subprocess.Popen([sys.executable, "-m", *module], env=os.environ | environment, stdout=sys.stderr)
    try:
        _wait_until_it_listens(port)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + _STARTED_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


async def run() -> list[Figure]:
    """All figures of delivery."""
    ports = free_ports(3)
    with running_servers() as servers, ExitStack() as stack:
        async with (
            installed(servers) as owner,
            await open_pool(servers.database_url, Role.ENGINE) as pool,
            Doorbell(servers.redis_url) as doorbell,
        ):
            await make_checks(owner, _CHECKS, 3600, "http://127.0.0.1")
            token = await create_token(owner, ORGANIZATION, "benchmark")
            environment = {"TOCSIN_DATABASE_URL": servers.database_url, "TOCSIN_REDIS_URL": servers.redis_url}
            pids = [
                stack.enter_context(serving(ports[0], "graphql_api.main", **environment, TOCSIN_PORT=str(ports[0]))),
                stack.enter_context(serving(ports[1], "benchmarks.delivery_servers", "stock", str(ports[1]))),
                stack.enter_context(serving(ports[2], "benchmarks.delivery_servers", "raw", str(ports[2]))),
            ]
            writer = Writer(pool, doorbell)
            figures = await compare(writer, ports, pids, token)
            return figures + await crowd(writer, ports[0], pids[0], token)


async def compare(writer: Writer, ports: list[int], pids: list[int], token: str) -> list[Figure]:
    """Alternate ours, stock Strawberry and the raw broadcast."""
    audiences = [Audience(QUERY, token) for _ in ports]
    for audience, port in zip(audiences, ports, strict=True):
        await audience.join(port, SUBSCRIBERS)
    await asyncio.sleep(0.5)
    costs: list[list[Cost]] = [[], [], []]
    for number in range(ROUNDS + 1):
        for side, audience in enumerate(audiences):
            with measured(SUBSCRIBERS * EVENTS, client=lambda: 0.0, server=cpu_of(pids[side])) as cost:
                if side == 0:
                    await writer.emit(audience, EVENTS, ROUND_SECONDS)
                else:
                    await emit_in_memory(ports[side], EVENTS, ROUND_SECONDS)
                await audience.received((number + 1) * EVENTS)
            costs[side].append(cost)
    for audience in audiences:
        audience.leave()
    ours, stock, raw = ([*side[1:]] for side in costs)
    shown = (
        f"ours {median(ours).cpu_ms:.3g}, stock {median(stock).cpu_ms:.3g}, raw {median(raw).cpu_ms:.3g} CPU-us each"
    )
    return [
        ratio("event delivered", "stock Strawberry", median_ratio(ours, stock), 1 / 25, shown),
        Figure("event delivered", "beside a raw broadcast", f"{median_ratio(ours, raw):.3g}x", None, shown),
    ]


async def crowd(writer: Writer, port: int, pid: int, token: str) -> list[Figure]:
    """Many subscribers and many events, each of them alone in its transaction."""
    audience = Audience(QUERY, token)
    await audience.join(port, SUBSCRIBERS)
    await asyncio.sleep(0.5)
    count = EVENTS_PER_SECOND * SECONDS
    with measured(SUBSCRIBERS * count, client=lambda: 0.0, server=cpu_of(pid)) as cost:
        await writer.emit(audience, count, SECONDS)
        await audience.received(count)
    audience.leave()
    p50_ms, p99_ms = (percentile(audience.latencies, share) * 1000 for share in (0.5, 0.99))
    busy = cost.server_cpu_seconds / cost.wall_seconds
    detail = f"p50 {p50_ms:.1f} ms; {cost.cpu_ms:.3g} CPU-us a delivery, {busy:.0%} of a core"
    subject = f"{SUBSCRIBERS:,} subscribers x {EVENTS_PER_SECOND} events/s"
    return [Figure(subject, "p99 <= 10 ms", f"{p99_ms:.1f} ms", p99_ms <= 10, detail)]


if __name__ == "__main__":
    publish(uvloop.run(run()))
