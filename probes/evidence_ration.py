"""Which failures are worth their bytes: a check that fails all day tells the same again and again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final

from tocsin.domain.observations import Observation, Outcome, Reason

# A failure of the same reason and message is worth its bytes again after so long, and one of another message or reason.
_SAME_AFTER: Final = timedelta(minutes=10).total_seconds()
_OTHER_MESSAGE_AFTER: Final = timedelta(minutes=1).total_seconds()
_OTHER_REASON_AFTER: Final = timedelta(seconds=10).total_seconds()
# Of so many checks the last evidence is remembered, and so much is kept in a minute: a storm must not fill the disk.
_MOST_CHECKS: Final = 50_000
_BYTES_A_MINUTE: Final = 16 * 2**20


def is_worth_evidence(seen: Observation) -> bool:
    """Whether it failed, also if only at first."""
    return seen.outcome in (Outcome.FAILURE, Outcome.DEGRADED) or seen.attempts > 1


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the last evidence of a check was of; without a reason and a message, the check has recovered since."""

    at: float
    revision: int
    reason: Reason | None = None
    message: str | None = None

    def waits_for(self, revision: int, seen: Observation) -> float:
        """So many seconds after it, evidence of what is seen now is kept.

        A check that was edited or paused meanwhile has no open incident, and the next one wants its own.
        """
        if self.reason is not seen.reason or self.revision != revision:
            return _OTHER_REASON_AFTER
        return _SAME_AFTER if self.message == seen.message else _OTHER_MESSAGE_AFTER


class EvidenceRation:
    """Says which failures of checks a worker keeps evidence of: the first ones, those that differ, and few others."""

    def __init__(self, monotonic: Callable[[], float] = monotonic) -> None:
        self._monotonic = monotonic
        self._kept: dict[int, _Kept] = {}
        self._minute = 0
        self._bytes = 0

    def allows(self, check_id: int, revision: int, seen: Observation) -> bool:
        """Whether this is evidence to keep; asked of every result."""
        kept = self._kept.get(check_id)
        if not is_worth_evidence(seen):
            if kept is not None:
                self._kept[check_id] = _Kept(kept.at, revision)
            return False
        now = self._monotonic()
        waits = kept is not None and now - kept.at < kept.waits_for(revision, seen)
        return not waits and not self._is_spent(now)

    def count(self, check_id: int, revision: int, seen: Observation) -> None:
        """Remember what was kept, if anything was."""
        if seen.evidence is not None:
            self._bytes += len(seen.evidence)
            if len(self._kept) >= _MOST_CHECKS:
                self._kept.clear()
            self._kept[check_id] = _Kept(self._monotonic(), revision, seen.reason, seen.message)

    def _is_spent(self, now: float) -> bool:
        if (minute := int(now // 60)) != self._minute:
            self._minute, self._bytes = minute, 0
        return self._bytes >= _BYTES_A_MINUTE
