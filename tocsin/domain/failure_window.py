"""Which of the last slots failed, for a check that goes down by some of them and not only by some in a row."""

from datetime import datetime
from itertools import takewhile
from typing import TypeAlias

Window: TypeAlias = tuple[datetime | None, ...]
"""The last slots that decided something, from the first failing one on, in order; None for one that did not fail."""


def followed(window: Window, failing_slot: datetime | None, size: int) -> Window:
    """The window with one more slot at its end, and no more than `size`."""
    slots = (*window, failing_slot)[-size:]
    first = next((place for place, slot in enumerate(slots) if slot is not None), len(slots))
    return slots[first:]


def failing_in(window: Window) -> list[datetime]:
    """The failing slots, in order."""
    return [slot for slot in window if slot is not None]


def failing_at_end(window: Window) -> list[datetime]:
    """The failing slots behind the last one that did not fail, in order."""
    return failing_in(tuple(takewhile(lambda slot: slot is not None, reversed(window))))[::-1]
