"""A process that was held up knows it."""

from datetime import UTC, datetime, timedelta

import pytest

from probes.stalls import StallWatch

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MS = timedelta(milliseconds=1)


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.mark.parametrize(("milliseconds", "stalled"), [(100, False), (350, False), (450, True), (60_000, True)])
def test_only_a_loop_that_comes_much_too_late_stood_still(milliseconds: int, stalled: bool) -> None:
    clock = Clock()
    watch = StallWatch(clock)
    clock.now += milliseconds * MS
    assert watch.since(NOON) is stalled


def test_what_began_after_a_stall_has_not_suffered_from_it() -> None:
    clock = Clock()
    watch = StallWatch(clock)
    clock.now += 5000 * MS
    assert watch.since(NOON)
    clock.now += 100 * MS
    assert not watch.since(clock.now)
    assert watch.since(NOON)
