"""What is wrong with an object of the cluster, as far as its status tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from tocsin.domain.observations import Outcome

Json: TypeAlias = Mapping[str, Any]
"""An object as the API server sends it; controllers leave out what is zero, false or empty."""

# A condition's message may hold pages, such as the events of a whole controller.
_MOST_QUOTED: Final = 240


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and how bad: `message` goes on after the object's name."""

    outcome: Outcome
    message: str


def failed(message: str) -> Finding:
    return Finding(Outcome.FAILURE, message)


def degraded(message: str) -> Finding:
    return Finding(Outcome.DEGRADED, message)


def undecided(message: str) -> Finding:
    return Finding(Outcome.UNKNOWN, message)


def conditions_of(status: Json) -> dict[str, Json]:
    """The conditions by type."""
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def is_true(conditions: Mapping[str, Json], kind: str) -> bool:
    return kind in conditions and conditions[kind].get("status") == "True"


def is_false(conditions: Mapping[str, Json], kind: str) -> bool:
    return kind in conditions and conditions[kind].get("status") == "False"


def cause(condition: Json) -> str:
    """Reason and message of a condition, to stand at the end of a sentence; empty where there are none."""
    said = ": ".join(text for text in (condition.get("reason"), condition.get("message")) if text)
    return f" ({quoted(said)})" if said else ""


def quoted(text: str) -> str:
    """A text of others in one line, cut where it is long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:4000]).split())
    return line if len(line) <= _MOST_QUOTED else f"{line[:_MOST_QUOTED]}…"


def names(each: Sequence[str], most: int = 3) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(each) - most} more" if len(each) > most else ""
    return ", ".join(each[:most]) + more


def instant(text: str | None) -> datetime | None:
    """A time as the API server writes it."""
    return datetime.fromisoformat(text) if text else None


def is_behind(item: Json) -> bool:
    """Whether the status is about an older spec: the controller has not seen the newest yet."""
    generation, observed = item["metadata"].get("generation"), item.get("status", {}).get("observedGeneration")
    return generation is not None and (observed or 0) < generation
