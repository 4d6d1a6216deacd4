"""Whatever a target does, its probe ends in time with its reason, in little memory, and holds up nobody."""

import asyncio
import time

import pytest

from tests.hostile.corpus import TRICKS
from tests.hostile.examining import Examiner, longest_stall, peak
from tests.hostile.tricks import Trick

# The machine may do other things as well.
TRIES = 4


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
async def test_a_trick_ends_as_it_must(examiner: Examiner, trick: Trick) -> None:
    for _ in range(TRIES):
        finding = await examiner.examine(trick)
        if not finding.problems:
            return
    pytest.fail("; ".join(finding.problems))


def test_every_trick_has_a_name_of_its_own() -> None:
    assert len({trick.name for trick in TRICKS}) == len(TRICKS)


async def test_what_holds_up_others_is_seen() -> None:
    async with longest_stall() as stall:
        time.sleep(0.05)  # noqa: ASYNC251 - it is what is to be seen
        await asyncio.sleep(0.01)
    assert stall.seconds >= 0.04


def test_what_takes_memory_is_seen() -> None:
    with peak() as grown:
        held = bytearray(64 * 2**20)
    if grown.bytes is None:
        pytest.skip("this system does not tell how far a process grew")
    assert len(held) * 0.9 < grown.bytes
