"""Judging what a probe saw, so that nothing that a target sends or a check expects holds up others."""

from collections.abc import Sequence
from typing import Final

from probes.evaluation.lane import Answer, Lane
from probes.evaluation.messages import decode_judgement, encode_request
from probes.evaluation.process import MEMORY_BYTES, Ending
from tocsin.domain.assertion_costs import are_light
from tocsin.domain.assertions import Assertion, Condition, Judgement, judge
from tocsin.domain.facts import Facts

QUICK_CPU_SECONDS: Final = 0.05
SLOW_CPU_SECONDS: Final = 0.5
_MOST_REMEMBERED: Final = 10_000


class TooDearError(Exception):
    """What is expected takes more than it may, of what was seen. The message says of what, and the remedy."""


class EvaluatorBrokenError(Exception):
    """An error of ours: it says nothing about the target."""


class Evaluator:
    """Judges what costs little at once, and all else in one of two processes.

    In the quick one, nothing holds up others for longer than 50 ms. What takes longer is evaluated anew in the slow
    one, and is remembered, so that it goes there at once the next time; there, what was never done comes last.
    """

    def __init__(
        self, quick_cpu_seconds: float = QUICK_CPU_SECONDS, slow_cpu_seconds: float = SLOW_CPU_SECONDS
    ) -> None:
        self._quick = Lane(quick_cpu_seconds)
        self._slow = Lane(slow_cpu_seconds)
        self._slow_seconds: dict[int, float] = {}  # by what is expected

    async def judge(
        self, assertions: Sequence[Assertion], conditions: Sequence[Condition], facts: Facts, characters: int
    ) -> Judgement:
        """Compare what was seen with what is expected. Raises TooDearError and EvaluatorBrokenError."""
        if are_light(assertions, conditions, facts):
            return judge(assertions, conditions, facts, characters)
        request = encode_request(assertions, conditions, facts, characters)
        return _read(await self._evaluate(request, hash((*assertions, *conditions))), self._slow.cpu_seconds)

    async def close(self) -> None:
        """End the processes."""
        await self._quick.close()
        await self._slow.close()

    async def _evaluate(self, request: bytes, key: int) -> Answer:
        if key not in self._slow_seconds:
            answer = await self._quick.evaluate(request, 0.0)
            if answer.ending is not Ending.OUT_OF_TIME:
                return answer
        return await self._evaluate_slowly(request, key)

    async def _evaluate_slowly(self, request: bytes, key: int) -> Answer:
        expected = self._slow_seconds.get(key, self._quick.cpu_seconds)
        answer = await self._slow.evaluate(request, expected)
        self._slow_seconds.pop(key, None)
        if answer.cpu_seconds > self._quick.cpu_seconds:
            if len(self._slow_seconds) >= _MOST_REMEMBERED:
                self._slow_seconds.clear()
            self._slow_seconds[key] = answer.cpu_seconds
        return answer


def _read(answer: Answer, cpu_seconds: float) -> Judgement:
    match answer.ending:
        case Ending.DONE:
            return decode_judgement(answer.content)
        case Ending.OUT_OF_TIME:
            raise TooDearError(f"took longer than {cpu_seconds:g} s to evaluate; ask for less, or of less content")
        case Ending.OUT_OF_MEMORY:
            raise TooDearError(f"took more than {MEMORY_BYTES >> 20} MiB to evaluate; ask for less, or of less content")
        case Ending.BROKEN:
            raise EvaluatorBrokenError(answer.content.decode())
