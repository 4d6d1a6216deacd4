"""The worker process: `python -m probes.worker`. Any number of them share the batches."""

import asyncio
import os
import resource

import dramatiq
import structlog
import uvloop

from probes.actors import listen_for_hints
from probes.aim_loading import AimLoader
from probes.batches import BatchRunner
from probes.canaries import Canaries
from probes.egress import EgressPolicy
from probes.engine import Engine
from probes.heartbeats import StoredHeartbeats
from probes.location import Location
from probes.platform_endpoints import platform_endpoints
from probes.proxy import Proxy
from probes.recorder import Recorder
from probes.wire.tls_contexts import TlsContexts
from tocsin.clock import PlatformClock
from tocsin.database import Pool, Role
from tocsin.doorbell import Doorbell
from tocsin.encryption import KeyRing
from tocsin.pulse import Pulse
from tocsin.running import begin, cancel, lent, pool_when_ready, run_until, stop_signal, survive
from tocsin.settings import Settings
from tocsin.telemetry import start_telemetry

# How long probes under way may go on after a stop; what has not begun is handed back at once.
DRAIN_SECONDS = 15.0
# How long storing the last results may take then.
HAND_OVER_SECONDS = 5.0

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def work(settings: Settings, pulse: Pulse) -> None:
    """Probe until a signal comes, then finish or hand back what is held."""
    stopped = stop_signal()
    async with (
        Doorbell(settings.servers.redis_url) as doorbell,
        pool_when_ready(stopped, settings.servers.database_url, Role.ENGINE) as pool,
    ):
        clock = PlatformClock()
        recorder = Recorder(pool, clock, doorbell.ring)
        aims = AimLoader(KeyRing(settings.encryption.keys))
        engine = _engine(settings, clock, pool)
        location = Location(pool, clock, settings.worker.location, Canaries(settings.worker.canaries, engine))
        runner = BatchRunner(pool, clock, engine, recorder, settings.worker.concurrency, pulse, aims, location)
        await _probe_until(stopped, settings, location, runner, recorder)
        await engine.api_server.close()
        await engine.evaluator.close()


def _engine(settings: Settings, clock: PlatformClock, pool: Pool) -> Engine:
    egress = settings.egress
    policy = EgressPolicy(egress.allow_private, platform_endpoints(settings), egress.exceptions)
    heartbeats = StoredHeartbeats(lambda: lent(pool))
    return Engine(
        policy,
        clock.now,
        tls_contexts=TlsContexts(egress.extra_ca_file),
        heartbeats=heartbeats,
        proxy=None if egress.proxy_url is None else Proxy.of(egress.proxy_url),
    )


async def _probe_until(
    stopped: asyncio.Event,
    settings: Settings,
    location: Location,
    runner: BatchRunner,
    recorder: Recorder,
) -> None:
    await begin(stopped, location.register)
    hints = await _listen(settings, runner)
    takes = (runner.follow_hints(), runner.follow_ledger())
    parts = await run_until(
        stopped,
        *takes,
        runner.show_life(),
        location.show_life(),
        runner.watch_stalls(),
        recorder.run(),
    )
    _logger.info("stopping", consequence="probes under way end, what has not begun goes to others")
    await cancel(parts[: len(takes)])
    await _finish(runner, recorder)
    await cancel(parts[len(takes) :])
    await asyncio.to_thread(hints.stop, 2000)


async def _listen(settings: Settings, runner: BatchRunner) -> dramatiq.Worker:
    """Pass hints on from the threads that they come in."""
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(
        listen_for_hints,
        settings.servers.redis_url,
        settings.worker.location,
        lambda batch_id: loop.call_soon_threadsafe(runner.hint_batch, batch_id),
        lambda run_id: loop.call_soon_threadsafe(runner.hint_run, run_id),
    )


async def _finish(runner: BatchRunner, recorder: Recorder) -> None:
    """End the probes under way, and give to others what has not begun."""
    await runner.stop(DRAIN_SECONDS)
    # Where the database is away, the leases end by themselves.
    await survive(asyncio.wait_for(_hand_over(runner, recorder), HAND_OVER_SECONDS), "stopped_without_database")


async def _hand_over(runner: BatchRunner, recorder: Recorder) -> None:
    await recorder.drained()
    await runner.hand_back()


def _raise_file_limit() -> None:
    """A probe under way is an open socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main() -> None:
    """Read the settings from the environment and work."""
    pulse = Pulse()
    settings = start_telemetry("worker", os.environ, pulse)
    _raise_file_limit()
    uvloop.run(work(settings, pulse))


if __name__ == "__main__":
    main()
