"""Uptime, by time and by count."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.status import Status
from tocsin.domain.uptime import OutcomeCounts, StatusTimes, status_times, times_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOTHING = timedelta()

instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3), timezones=st.just(UTC))  # noqa: DTZ001
histories = st.lists(st.tuples(instants, st.sampled_from(Status)), max_size=30).map(sorted)
windows = st.tuples(instants, instants).map(sorted)


def after(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def hour(*changes: tuple[datetime, Status]) -> StatusTimes:
    return status_times(changes, NOON, after(60))


@given(histories, windows)
def test_the_times_of_all_statuses_add_up_to_the_window(
    changes: list[tuple[datetime, Status]], window: list[datetime]
) -> None:
    since, until = window
    times = status_times(changes, since, until)
    assert times.up + times.degraded + times.down + times.unknown + times.excluded == until - since


@given(histories, windows, instants)
def test_two_parts_of_a_window_add_up_to_the_whole(
    changes: list[tuple[datetime, Status]], window: list[datetime], cut: datetime
) -> None:
    since, until = window
    middle = min(max(cut, since), until)
    first, second = status_times(changes, since, middle), status_times(changes, middle, until)
    assert first.down + second.down == status_times(changes, since, until).down


def test_a_check_without_changes_is_excluded_and_has_no_uptime() -> None:
    assert hour() == times_of({}, 60 * MINUTE)
    assert hour().uptime is None


def test_the_status_at_the_start_is_that_of_the_last_change_before() -> None:
    assert hour((after(-9), Status.UP), (after(-5), Status.DOWN), (after(45), Status.UP)).uptime == 0.25


def test_a_change_at_the_very_start_counts_from_there_and_one_at_the_end_not_at_all() -> None:
    times = hour((NOON, Status.UP), (after(60), Status.DOWN))
    assert (times.up, times.down) == (60 * MINUTE, NOTHING)


def test_unknown_pending_and_paused_time_changes_no_uptime() -> None:
    changes = (after(-1), Status.UP), (after(30), Status.DOWN), (after(40), Status.UNKNOWN), (after(50), Status.PAUSED)
    times = hour(*changes)
    assert (times.unknown, times.excluded, times.uptime) == (10 * MINUTE, 10 * MINUTE, 0.75)


def test_degraded_time_counts_as_up() -> None:
    assert hour((NOON, Status.DEGRADED)).uptime == 1


def test_counts_leave_out_what_was_missed_or_unknown() -> None:
    assert OutcomeCounts(successes=8, degraded=1, failures=1, missed=50, unknown=40).uptime == 0.9
    assert OutcomeCounts(missed=5).uptime is None
