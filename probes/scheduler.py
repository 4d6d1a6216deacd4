"""The scheduler process: `python -m probes.scheduler`. It plans, sweeps and maintains; several race without harm."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import structlog
import uvloop

from probes.metrics import CLOCK_HELD, GAPS, MISSED, RELEASED, SLOTS, TICKS
from probes.recorder import MOST_AT_ONCE
from probes.storing import store
from tocsin.clock import PLAN_LEAD, PlatformClock
from tocsin.database import Connection, Pool, Role
from tocsin.domain.schedule import TICK
from tocsin.doorbell import Doorbell
from tocsin.pulse import Pulse
from tocsin.queue import PROBE_BATCH, HintSender
from tocsin.running import begin, cancel, cut_after, lent, pool_when_ready, run_until, stop_signal, survive
from tocsin.services.leases import TAKE_LEAD, watermark
from tocsin.services.partitions import drop_partitions, ensure_partitions
from tocsin.services.planning import PlannedTick, expand_crons, plan_next_tick, record_gap, start_ledger
from tocsin.services.recording import Result, record
from tocsin.services.retention import expire
from tocsin.services.rollups import roll_up
from tocsin.services.sweeping import (
    RECORD_GRACE,
    LeaseWatch,
    finish_over,
    release_expired,
    unplanned_slots,
    unprobed_slots,
)
from tocsin.settings import Settings
from tocsin.telemetry import start_telemetry

SWEEP_SECONDS = 1.0
UNPLANNED_SECONDS = 15.0
CRON_SECONDS = 10.0
MAINTENANCE_SECONDS = 60.0
MAINTENANCE_RETRY_SECONDS = 5.0

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Scheduler:
    """One scheduler's connections and what it remembers."""

    settings: Settings
    pool: Pool
    hints: HintSender
    doorbell: Doorbell
    pulse: Pulse
    clock: PlatformClock = field(default_factory=PlatformClock)
    watch: LeaseWatch = field(default_factory=LeaseWatch)
    watermark: int = 0
    sweeping_since: float = field(default_factory=time.monotonic)

    async def start(self) -> None:
        """Have a first tick and today's partition before anything is planned."""
        async with lent(self.pool) as connection:
            await start_ledger(connection, await self.clock.read(connection))
        await self.make_partitions()

    async def plan(self) -> None:
        """Plan each tick shortly before it begins, until cancelled."""
        while True:
            self.pulse.beat()
            await survive(self._plan_what_is_due(), "planning_failed")
            now = self.clock.now() + PLAN_LEAD
            next_second = now.replace(microsecond=0) + TICK
            await asyncio.sleep((next_second - now).total_seconds())

    async def _plan_what_is_due(self) -> None:
        async with lent(self.pool) as connection:
            now = await self.clock.read(connection)
            CLOCK_HELD.set(self.clock.held_back.total_seconds())
            if gap := await record_gap(connection, now):
                _logger.warning("gap_recorded", from_at=gap.from_at.isoformat(), to_at=gap.to_at.isoformat())
                GAPS.inc((gap.to_at - gap.from_at).total_seconds())
                # Both were made ahead, but maybe not as far as this.
                await survive(self.make_partitions(), "partitions_not_made")
                await self._expand(connection)
            while tick := await plan_next_tick(connection, self.clock.now()):
                TICKS.inc()
                SLOTS.inc(tick.slots)
                self._hint_in_time(tick)

    def _hint_in_time(self, tick: PlannedTick) -> None:
        seconds = max(0.0, self.clock.seconds_until(tick.at - TAKE_LEAD))
        asyncio.get_running_loop().call_later(seconds, self.hints.send, PROBE_BATCH, tick.hints)

    async def sweep(self) -> None:
        """Find what was left behind, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if not await survive(self._sweep_once(), "sweep_failed"):
                # Whatever kept this process from the database may have kept others from it: they get their time again.
                self.watch = LeaseWatch()
                self.sweeping_since = time.monotonic()

    async def _sweep_once(self) -> None:
        async with lent(self.pool) as connection:
            self.watermark = await watermark(connection, self.watermark)
            released = await release_expired(connection, self.watch, self.watermark, time.monotonic())
            missed = []
            if self._may_miss:
                missed = await unprobed_slots(connection, self.watermark, self.clock.now())
        if released:
            RELEASED.inc(len(released))
            _logger.warning("leases_expired", batches=len(released))
            self.hints.send(PROBE_BATCH, released)
        await self._record_missed(missed)
        async with lent(self.pool) as connection:
            await finish_over(connection, self.watermark, self.clock.now())

    @property
    def _may_miss(self) -> bool:
        """Whether the database was there for long enough for all workers to store what they hold."""
        return time.monotonic() - self.sweeping_since > RECORD_GRACE.total_seconds()

    async def find_unplanned(self) -> None:
        """Find slots that were due and never planned, until cancelled."""
        while True:
            await asyncio.sleep(UNPLANNED_SECONDS)
            if self._may_miss:
                await survive(self._find_unplanned_once(), "unplanned_not_found")

    async def _find_unplanned_once(self) -> None:
        async with lent(self.pool) as connection:
            missed = await unplanned_slots(connection, self.clock.now())
        await self._record_missed(missed)

    async def _record_missed(self, missed: list[Result]) -> None:
        for first in range(0, len(missed), MOST_AT_ONCE):
            some = missed[first : first + MOST_AT_ONCE]
            organization_ids = await store(some, self._write)
            for result in some:
                MISSED.labels(result.observation.reason).inc()
            _logger.warning("slots_missed", count=len(some), reason=some[0].observation.reason)
            await self.doorbell.ring(organization_ids)

    async def _write(self, results: Sequence[Result]) -> set[int]:
        async with lent(self.pool) as connection:
            return set(await record(connection, results, self.clock.now()))

    async def expand(self) -> None:
        """Keep the instants of cron expressions ahead, until cancelled."""
        while True:
            await survive(self._expand_once(), "cron_not_expanded")
            await asyncio.sleep(CRON_SECONDS)

    async def _expand_once(self) -> None:
        async with lent(self.pool) as connection:
            await self._expand(connection)

    async def _expand(self, connection: Connection) -> None:
        while await expand_crons(connection, self.clock.now()):
            pass

    async def maintain(self) -> None:
        """Make partitions ahead, roll up, and let go what is too old, until cancelled."""
        while True:
            made = await survive(self.make_partitions(), "partitions_not_made")
            maintained = await survive(self._maintain_once(), "maintenance_failed")
            await asyncio.sleep(MAINTENANCE_SECONDS if made and maintained else MAINTENANCE_RETRY_SECONDS)

    async def make_partitions(self) -> None:
        """Make the coming days' partitions and drop those past retention, with the owner's rights."""
        now = self.clock.now()
        connection = await asyncpg.connect(self.settings.servers.database_url, timeout=10)
        with cut_after(MAINTENANCE_SECONDS, connection):
            try:
                await ensure_partitions(connection, now)
                await drop_partitions(connection, (now - timedelta(days=self.settings.retention.results_days)).date())
            finally:
                await connection.close()

    async def _maintain_once(self) -> None:
        async with lent(self.pool, MAINTENANCE_SECONDS) as connection:
            await roll_up(connection, self.clock.now())
            await expire(connection, self.clock.now(), self.settings.retention)


async def schedule(settings: Settings, pulse: Pulse) -> None:
    """Plan, sweep and maintain until a signal comes."""
    stopped = stop_signal()
    hints = HintSender(settings.servers.redis_url)
    async with (
        Doorbell(settings.servers.redis_url) as doorbell,
        pool_when_ready(stopped, settings.servers.database_url, Role.ENGINE) as pool,
    ):
        await _schedule_until(stopped, Scheduler(settings, pool, hints, doorbell, pulse))
    await asyncio.to_thread(hints.close)


async def _schedule_until(stopped: asyncio.Event, scheduler: Scheduler) -> None:
    await begin(stopped, scheduler.start)
    parts = await run_until(
        stopped,
        scheduler.plan(),
        scheduler.sweep(),
        scheduler.find_unplanned(),
        scheduler.expand(),
        scheduler.maintain(),
    )
    await cancel(parts)


def main() -> None:
    """Read the settings from the environment and schedule."""
    pulse = Pulse()
    uvloop.run(schedule(start_telemetry("scheduler", os.environ, pulse), pulse))


if __name__ == "__main__":
    main()
