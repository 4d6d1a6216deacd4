"""Canaries: what this location reaches as long as its own network works.

A failure counts as the target's only if a canary answered since: else the location is what failed. They are asked only
when probes fail, in one round for all failures of the moment.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from probes.engine import Engine
from probes.metrics import IMPAIRED
from probes.runner import MAX_MESSAGE, probe
from tocsin.domain.observations import UNDECIDED_REASONS, Observation, Outcome, Reason
from tocsin.domain.targets.model import Target

_TIMEOUT: Final = timedelta(seconds=2)
# For how long an answer, or that there was none, stands for failures that come after it.
_KEPT_SECONDS: Final = 1.0
# Whatever it says, it was reached.
_ANSWERS: Final = frozenset({Reason.STATUS, Reason.BODY_LIMIT, Reason.TOO_MANY_REDIRECTS})
# These are no failures to reach a target over the location's network.
_OTHER_WAYS: Final = frozenset({"heartbeat", "kubernetes"})

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Canaries:
    """The canaries of a worker. Without any, every failure is the target's."""

    def __init__(self, targets: Sequence[Target], engine: Engine) -> None:
        self.impaired_since: datetime | None = None
        self._targets = targets
        self._engine = engine
        self._round: asyncio.Task[None] | None = None
        self._round_ended = self._answered = float("-inf")

    async def judge(self, kind: str, seen: Observation, began: float) -> Observation:
        """What was seen, unless the location is impaired itself. The probe began at `began` of the monotonic clock."""
        if not self._targets or kind in _OTHER_WAYS or seen.outcome is not Outcome.FAILURE:
            return seen
        if seen.reason in UNDECIDED_REASONS or await self._answered_since(began):
            return seen
        message = f"the location reached none of its canaries ({len(self._targets)}) either: {seen.message}"
        unknown = replace(seen, outcome=Outcome.UNKNOWN, reason=Reason.LOCATION_IMPAIRED, evidence=None)
        return replace(unknown, message=message[:MAX_MESSAGE])

    async def _answered_since(self, began: float) -> bool:
        since = max(began, time.monotonic() - _KEPT_SECONDS)
        if self._answered < since and self._round_ended < since:
            await self.ask()
        return self._answered >= since

    async def ask(self) -> None:
        """Ask all canaries, or wait for the round that is under way."""
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._ask_all())
        # Who waits for it may be cancelled; others wait for it too.
        await asyncio.shield(self._round)

    async def _ask_all(self) -> None:
        asked = [asyncio.create_task(self._ask_one(target)) for target in self._targets]
        try:
            answered = await _first(asked)
        finally:
            for task in asked:
                task.cancel()
        self._note(answered=answered)

    async def _ask_one(self, target: Target) -> bool:
        seen = await probe(target, _TIMEOUT, self._engine)
        return seen.outcome in (Outcome.SUCCESS, Outcome.DEGRADED) or seen.reason in _ANSWERS

    def _note(self, *, answered: bool) -> None:
        self._round_ended = time.monotonic()
        if answered:
            self._answered = self._round_ended
        if answered == (self.impaired_since is None):
            return
        self.impaired_since = None if answered else self._engine.now()
        IMPAIRED.set(not answered)
        if answered:
            _logger.info("location_reaches_its_canaries_again")
        else:
            _logger.warning("location_is_impaired", consequence="failures count as UNKNOWN until a canary answers")


async def _first(asked: Sequence[asyncio.Task[bool]]) -> bool:
    """Whether one answers, as soon as that is known."""
    for answer in asyncio.as_completed(asked):
        if await answer:
            return True
    return False
