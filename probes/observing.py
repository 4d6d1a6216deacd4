"""What a run of a check comes to: its attempts, and what is kept of them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from probes.aims import Aim
from probes.engine import Engine
from probes.evidence import attempt_of, evidence_of, report_of
from probes.runner import Sight, look
from probes.stalls import StallWatch
from tocsin.domain.evidence import Attempt
from tocsin.domain.observations import Observation, Outcome

KeepsEvidence = Callable[[Observation], bool]
"""Says whether evidence of this is kept."""


class Observer:
    """Probes aims, again within the same run where they fail and their retries say so."""

    def __init__(self, engine: Engine, stalls: StallWatch, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._stalls = stalls
        self._now = now

    async def observe(self, aim: Aim, check_id: int | None, keeps_evidence: KeepsEvidence) -> Observation:
        """What the last attempt saw, with the evidence of all.

        Cancelled between two attempts, it says nothing: whoever takes the slot over begins anew.
        """
        earlier: list[Attempt] = []
        sight = await self._look(aim, check_id)
        for retry in range(aim.retries.attempts):
            if sight.observation.outcome is not Outcome.FAILURE:
                break
            earlier.append(attempt_of(sight.observation))
            await asyncio.sleep(aim.retries.delay_before(retry).total_seconds())
            sight = await self._look(aim, check_id)
        seen = replace(sight.observation, attempts=len(earlier) + 1) if earlier else sight.observation
        return replace(seen, evidence=evidence_of(sight, earlier, aim.redaction)) if keeps_evidence(seen) else seen

    async def try_out(self, aim: Aim) -> Observation:
        """What a target that is not saved answers, with all that can be told of it as evidence."""
        sight = await self._look(aim, None, tells_all=True)
        return replace(sight.observation, evidence=report_of(sight, aim))

    async def _look(self, aim: Aim, check_id: int | None, *, tells_all: bool = False) -> Sight:
        began_at = self._now()
        sight = await self._look_once(aim, check_id, tells_all=tells_all)
        if sight.observation.outcome is Outcome.FAILURE and self._stalls.since(began_at):
            # A process that was held up cannot tell a slow target from its own absence.
            sight = await self._look_once(aim, check_id, tells_all=tells_all)
        return sight

    async def _look_once(self, aim: Aim, check_id: int | None, *, tells_all: bool) -> Sight:
        return await look(aim.target, aim.timeout, self._engine, aim.redaction, check_id=check_id, tells_all=tells_all)
