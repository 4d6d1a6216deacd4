"""Retries within a run: a probe that fails is made again at once, before its slot counts as failing."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypedDict

from tocsin.domain.errors import FieldProblem

MAXIMUM_RETRIES: Final = 5
DEFAULT_RETRY_DELAY: Final = timedelta(seconds=1)
MAXIMUM_RETRY_DELAY: Final = timedelta(seconds=30)
MAXIMUM_BACKOFF: Final = 4.0
TOO_LONG: Final = (
    "must fit into the interval and 60 seconds, with the timeout of each attempt and the delays between them; try less "
    "often, or shorten the delay or the timeout"
)


@dataclass(frozen=True, slots=True)
class Retries:
    """How many more attempts a run has, and the delay before the first of them; each next is `backoff` times longer."""

    attempts: int = 0
    delay: timedelta = timedelta()
    backoff: float = 1.0

    def delay_before(self, retry: int) -> timedelta:
        """How long to wait before a retry; the first is number 0."""
        return self.delay * self.backoff**retry

    @property
    def delays(self) -> timedelta:
        """All of them together."""
        return sum(map(self.delay_before, range(self.attempts)), timedelta())

    def longest_run(self, timeout: timedelta) -> timedelta:
        """How long a run may take whose attempts each end within the timeout."""
        return timeout * (self.attempts + 1) + self.delays


NO_RETRIES: Final = Retries()


class RetriesFields(TypedDict):
    """Retries as given; what is None has a default."""

    attempts: int
    delay_seconds: float | None
    backoff: float | None


def read_retries(given: RetriesFields | None, problems: list[FieldProblem]) -> Retries | None:
    """Add what is wrong to the problems, and return None if anything is."""
    if given is None:
        return NO_RETRIES
    seconds = _or_default(given["delay_seconds"], DEFAULT_RETRY_DELAY.total_seconds())
    backoff = _or_default(given["backoff"], NO_RETRIES.backoff)
    limits = {
        "attempts": (given["attempts"], 0, MAXIMUM_RETRIES),
        "delay_seconds": (seconds, 0, MAXIMUM_RETRY_DELAY.total_seconds()),
        "backoff": (backoff, 1, MAXIMUM_BACKOFF),
    }
    wrong = [
        FieldProblem(("retries", name), f"must be from {least:g} to {most:g}")
        for name, (value, least, most) in limits.items()
        if not least <= value <= most
    ]
    problems += wrong
    return None if wrong else Retries(given["attempts"], timedelta(milliseconds=round(seconds * 1000)), backoff)


def _or_default(given: float | None, default: float) -> float:
    return default if given is None else given
