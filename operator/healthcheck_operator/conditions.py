"""Conditions: what is true of an object, since when, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

# The schema lets others write more; ours are read in a terminal.
_LONGEST_MESSAGE: Final = 1024


class Truth(StrEnum):
    """How a condition stands."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as the operator sees it now; `reason` is one CamelCase word."""

    type: str
    status: Truth
    reason: str
    message: str = ""


def is_false(type_: str, reason: str, message: str) -> Condition:
    """A condition that does not hold."""
    return Condition(type_, Truth.FALSE, reason, message)


def written(
    conditions: Iterable[Condition], before: Sequence[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions as they stand in a status; `lastTransitionTime` moves only when their status does."""
    earlier = {each["type"]: each for each in before}
    return [_written(condition, earlier.get(condition.type), generation, now) for condition in conditions]


def _written(condition: Condition, before: Mapping[str, Any] | None, generation: int, now: datetime) -> dict[str, Any]:
    unmoved = before if before and before["status"] == condition.status else None
    return {
        "type": condition.type,
        "status": condition.status.value,
        "reason": condition.reason,
        "message": condition.message[:_LONGEST_MESSAGE],
        "lastTransitionTime": unmoved["lastTransitionTime"] if unmoved else instant(now),
        "observedGeneration": generation,
    }


def instant(at: datetime) -> str:
    """An instant as Kubernetes writes it, in whole seconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
