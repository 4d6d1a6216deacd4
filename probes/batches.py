"""Hold batches: claim them from the ledger, start each probe at its slot, and hand what it saw to the recorder."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from probes.aim_loading import AimLoader
from probes.aims import Aim, RevealableAim
from probes.engine import Engine
from probes.evidence_ration import EvidenceRation, is_worth_evidence
from probes.failures import ProbeFailure
from probes.location import Location
from probes.metrics import LATENESS, PROBES, PROBES_UNDER_WAY
from probes.observing import Observer
from probes.recorder import HeldBatch, Recorder
from probes.runner import MAX_MESSAGE
from probes.stalls import StallWatch
from probes.storing import UNSTORABLE, without_content
from tocsin.clock import PlatformClock
from tocsin.database import Pool
from tocsin.domain.observations import Observation, Outcome, Reason
from tocsin.pulse import Pulse
from tocsin.running import lent, survive
from tocsin.services.leases import (
    DueSlot,
    Holder,
    Lease,
    claim_batch,
    claim_batches,
    complete,
    hand_back,
    heartbeat,
    load_slots,
    watermark,
)
from tocsin.services.planning import CATCH_UP_LIMIT
from tocsin.services.recording import Result
from tocsin.services.run_claims import ClaimedRun, claim_run, finish_run

# How often the ledger is looked into, whether hints come or not: at least once before each tick begins.
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 1.0
# How many batches are taken from the ledger at a time.
_MOST_BATCHES = 4
# How long a hand-back may take while the probes under way go on.
_HAND_BACK_SECONDS = 2.0

_Key = tuple[int, int]  # (check id, revision)
Observe = Callable[[Aim], Awaitable[Observation]]


class BatchRunner:
    """Probes what is due. `concurrency` bounds the slots held at a time; what is beyond it is left for others."""

    def __init__(
        self,
        pool: Pool,
        clock: PlatformClock,
        engine: Engine,
        recorder: Recorder,
        concurrency: int,
        pulse: Pulse,
        aims: AimLoader,
        location: Location,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._recorder = recorder
        self._concurrency = concurrency
        self._pulse = pulse
        self._aims = aims
        self._location = location
        self._id = uuid4()
        self._watermark = 0
        self._held: set[HeldBatch] = set()
        self._batches: set[asyncio.Task[None]] = set()
        self._probes: set[asyncio.Task[None]] = set()
        self._stalls = StallWatch(clock.now)
        self._observer = Observer(engine, self._stalls, clock.now)
        self._ration = EvidenceRation()
        self._hints: asyncio.Queue[Coroutine[Any, Any, None]] = asyncio.Queue(1000)

    def hint_batch(self, batch_id: int) -> None:
        """A batch may be waiting; called in the event loop."""
        self._hint(self._take_batch(batch_id))

    def hint_run(self, run_id: int) -> None:
        """Somebody may be waiting for a run; called in the event loop."""
        self._hint(self._take_run(run_id))

    def _hint(self, take: Coroutine[Any, Any, None]) -> None:
        try:
            self._hints.put_nowait(take)
        except asyncio.QueueFull:
            take.close()

    async def follow_hints(self) -> None:
        """Take what is hinted at until cancelled."""
        while True:
            await survive(await self._hints.get(), "hint_not_followed")

    async def follow_ledger(self) -> None:
        """Take what nobody has taken until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self._pulse.beat()
            await survive(self._look_into_ledger(), "ledger_not_read")

    async def show_life(self) -> None:
        """Keep the leases of what is held until cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await survive(self._heartbeat(), "heartbeat_not_written")

    async def watch_stalls(self) -> None:
        """Notice when this process is held up, until cancelled."""
        await self._stalls.run()

    async def stop(self, seconds: float) -> None:
        """Give what has not begun to others at once, and let probes under way end within this time."""
        for task in self._batches:
            task.cancel()
        begun = [batch.lease.batch_id for batch in self._held if batch.unbegun == 0]
        await survive(self.hand_back(begun), "batches_not_handed_back")
        if self._probes:
            await asyncio.wait(self._probes, timeout=seconds)
        for task in self._probes:
            task.cancel()

    async def hand_back(self, keep: Collection[int] = ()) -> None:
        """Give up all leases, but those of the batches to keep."""
        async with lent(self._pool, _HAND_BACK_SECONDS) as connection:
            await hand_back(connection, self._id, keep)

    @property
    def _holder(self) -> Holder:
        return Holder(self._id, self._location.id)

    @property
    def _free(self) -> int:
        return self._concurrency - sum(batch.unrecorded for batch in self._held)

    async def _take_batch(self, batch_id: int) -> None:
        if self._free > 0:
            async with lent(self._pool) as connection:
                lease = await claim_batch(connection, self._holder, batch_id, self._clock.now())
            if lease is not None:
                await self._start(lease)

    async def _look_into_ledger(self) -> None:
        async with lent(self._pool) as connection:
            now = await self._clock.read(connection)
            self._watermark = await watermark(connection, self._watermark)
        # Few at a time leave something to others; a backlog is taken without a pause.
        while self._free > 0 and await self._take_some(now) == _MOST_BATCHES:
            pass
        await self._take_run(None)

    async def _take_some(self, now: datetime) -> int:
        async with lent(self._pool) as connection:
            leases = await claim_batches(connection, self._holder, self._watermark, now, _MOST_BATCHES)
        for lease in leases:
            await self._start(lease)
        return len(leases)

    async def _heartbeat(self) -> None:
        self._held = {batch for batch in self._held if batch.unrecorded > 0}
        if self._held:
            async with lent(self._pool) as connection:
                await heartbeat(connection, self._id, [batch.lease.batch_id for batch in self._held])

    async def _start(self, lease: Lease) -> None:
        async with lent(self._pool) as connection:
            due = await load_slots(connection, lease)
            aims = await self._aims.load(connection, {(slot.check_id, slot.revision) for slot in due})
            known = [slot for slot in due if (slot.check_id, slot.revision) in aims]
            if not known:
                await complete(connection, [lease])
                return
        batch = HeldBatch(lease, len(known), len(known))
        self._held.add(batch)
        PROBES_UNDER_WAY.inc(len(known))
        _track(self._batches, self._run_batch(batch, known, aims))

    async def _run_batch(self, batch: HeldBatch, due: Sequence[DueSlot], aims: Mapping[_Key, RevealableAim]) -> None:
        for slot in due:
            if (seconds := self._clock.seconds_until(slot.slot)) > 0:
                await asyncio.sleep(seconds)
            batch.unbegun -= 1
            _track(self._probes, self._run_slot(batch, slot, aims[slot.check_id, slot.revision]))

    async def _run_slot(self, batch: HeldBatch, due: DueSlot, aim: RevealableAim) -> None:
        observation = await self._observe(due, aim)
        result = Result(due.check_id, due.slot, due.location_id, due.revision, observation)
        self._recorder.add(result, batch)

    async def _observe(self, due: DueSlot, aim: RevealableAim) -> Observation:
        now = self._clock.now()
        if now - due.slot > CATCH_UP_LIMIT:
            return Observation(Outcome.MISSED, now, timedelta(0), Reason.LEASE_EXPIRED)
        LATENESS.observe((now - due.slot).total_seconds())
        keeps_evidence = partial(self._ration.allows, due.check_id, due.revision)
        observation = await self._probe(aim, lambda aim: self._observer.observe(aim, due.check_id, keeps_evidence))
        self._ration.count(due.check_id, due.revision, observation)
        return observation

    async def _probe(self, sealed: RevealableAim, observe: Observe) -> Observation:
        try:
            aim = sealed.revealed()
        except ProbeFailure as failure:
            message = failure.message[:MAX_MESSAGE]
            return Observation(failure.outcome, self._clock.now(), timedelta(0), failure.reason, message)
        began = time.monotonic()
        observation = await observe(aim)
        observation = await self._location.canaries.judge(aim.target.kind, observation, began)
        PROBES.labels(aim.target.kind, observation.outcome).inc()
        return observation

    async def _take_run(self, run_id: int | None) -> None:
        async with lent(self._pool) as connection:
            run = await claim_run(connection, self._location.id, run_id)
            if run is None:
                return
            aim = await self._aims.load_for_run(connection, run)
        _track(self._probes, self._run_once(run, aim))

    async def _run_once(self, run: ClaimedRun, aim: RevealableAim) -> None:
        observation = await self._probe(aim, partial(self._observe_run, run.check_id))
        await survive(self._finish_run(run.id, observation), "run_not_finished")

    async def _observe_run(self, check_id: int | None, aim: Aim) -> Observation:
        if check_id is None:
            return await self._observer.try_out(aim)
        return await self._observer.observe(aim, check_id, is_worth_evidence)

    async def _finish_run(self, run_id: int, observation: Observation) -> None:
        async with lent(self._pool) as connection:
            try:
                await finish_run(connection, run_id, observation)
            except UNSTORABLE:
                await finish_run(connection, run_id, without_content(observation))


def _track(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
