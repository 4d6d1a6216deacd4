"""Whether something reported in time, as traces of reports."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.cron import Cron, cron_instants
from tocsin.domain.heartbeats import (
    EARLIEST,
    MAXIMUM_OPEN_RUNS,
    Heartbeat,
    OpenRun,
    Reception,
    Report,
    ReportKind,
    Rhythm,
    Verdict,
    judged,
    received,
)
from tocsin.domain.observations import Reason

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVERY_FIVE = Rhythm(5 * MINUTE, MINUTE)
RUN_A, RUN_B = UUID(int=1), UUID(int=2)


def heartbeat_of(*reports: Report) -> Heartbeat:
    heartbeat = Heartbeat()
    for report in reports:
        heartbeat = received(heartbeat, report)
    return heartbeat


def start(minutes: float, run_id: UUID | None = None) -> Report:
    return Report(ReportKind.START, NOON + minutes * MINUTE, run_id)


def success(minutes: float, run_id: UUID | None = None) -> Report:
    return Report(ReportKind.SUCCESS, NOON + minutes * MINUTE, run_id)


def failure(minutes: float, run_id: UUID | None = None, exit_code: int | None = None) -> Report:
    return Report(ReportKind.FAILURE, NOON + minutes * MINUTE, run_id, exit_code)


def verdict_at(minutes: float, *reports: Report, rhythm: Rhythm = EVERY_FIVE) -> Verdict | None:
    now = NOON + minutes * MINUTE
    return judged(heartbeat_of(*reports), rhythm, Reception(through=now), now)


def reason_at(minutes: float, *reports: Report, rhythm: Rhythm = EVERY_FIVE) -> Reason | None:
    verdict = verdict_at(minutes, *reports, rhythm=rhythm)
    return verdict.reason if verdict else None


def message_at(minutes: float, *reports: Report) -> str:
    verdict = verdict_at(minutes, *reports)
    assert verdict
    return verdict.message


def test_nothing_is_late_before_the_first_report() -> None:
    assert reason_at(10_000) is Reason.HEARTBEAT_AWAITED


def test_a_log_alone_is_no_report_of_success() -> None:
    assert reason_at(1, Report(ReportKind.LOG, NOON)) is Reason.HEARTBEAT_AWAITED


def test_a_report_is_good_until_its_period_and_grace_have_passed() -> None:
    assert reason_at(6, success(0)) is None
    assert reason_at(6.01, success(0)) is Reason.HEARTBEAT_OVERDUE


def test_what_is_late_says_since_when_and_what_was_due() -> None:
    assert message_at(14.5, success(0)) == "last reported 14 min ago, due every 5 min + 1 min grace"


def test_a_reported_failure_stands_until_a_success() -> None:
    assert reason_at(1, success(0), failure(0.5)) is Reason.HEARTBEAT_FAILED
    assert reason_at(1, success(0), failure(0.5), success(0.8)) is None


def test_a_failure_tells_its_exit_code() -> None:
    assert message_at(1, failure(0, exit_code=3)) == "reported a failure with exit code 3 60 s ago"


def test_a_run_that_does_not_end_within_the_grace_is_overdue() -> None:
    assert reason_at(1, success(0), start(0)) is None
    assert reason_at(1.1, success(-1), start(0)) is Reason.HEARTBEAT_OVERDUE


def test_a_first_run_is_awaited_while_it_may_go_on() -> None:
    assert reason_at(0.5, start(0)) is Reason.HEARTBEAT_AWAITED


def test_a_run_takes_from_its_start_to_its_end() -> None:
    assert heartbeat_of(start(0), success(3)).run_time == 3 * MINUTE


def test_overlapping_runs_are_told_apart_by_their_ids() -> None:
    first = heartbeat_of(start(0, RUN_A), start(1, RUN_B), success(3, RUN_B))
    assert first.run_time == 2 * MINUTE
    assert [run.run_id for run in first.open_runs] == [RUN_A]
    assert received(first, success(4, RUN_A)).run_time == 4 * MINUTE


def test_an_overlapping_run_that_hangs_is_overdue_although_another_one_ended() -> None:
    assert reason_at(1.5, start(0, RUN_A), start(0.5, RUN_B), success(0.6, RUN_B)) is Reason.HEARTBEAT_OVERDUE


def test_a_run_that_is_never_heard_of_again_is_forgotten_with_a_later_success() -> None:
    assert reason_at(2.2, start(0, RUN_A), start(1.5, RUN_B), success(2, RUN_B)) is None


def test_a_report_without_an_id_ends_all_open_runs() -> None:
    assert heartbeat_of(start(0, RUN_A), start(1, RUN_B), success(2)).open_runs == ()


def test_a_second_start_of_a_run_begins_it_anew() -> None:
    assert heartbeat_of(start(0, RUN_A), start(3, RUN_A), success(4, RUN_A)).run_time == MINUTE


def test_a_start_of_days_ago_is_of_another_run() -> None:
    assert heartbeat_of(start(0), success(72 * 60)).run_time is None


def test_starts_without_an_end_take_bounded_room() -> None:
    runs = heartbeat_of(*(start(n, UUID(int=n)) for n in range(300))).open_runs
    assert len(runs) == MAXIMUM_OPEN_RUNS
    assert runs[-1].run_id == UUID(int=299)


def test_a_report_that_arrives_after_a_newer_one_changes_nothing_but_its_run() -> None:
    late = heartbeat_of(start(0, RUN_A), success(5), failure(1, RUN_A))
    assert late.last == success(5)


def test_without_a_receiver_nothing_is_late() -> None:
    verdict = judged(heartbeat_of(success(0)), EVERY_FIVE, None, NOON + 60 * MINUTE)
    assert verdict
    assert verdict.reason is Reason.HEARTBEAT_AWAITED


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def reason_with(reception: Reception, minutes: float, *reports: Report, rhythm: Rhythm = EVERY_FIVE) -> Reason | None:
    verdict = judged(heartbeat_of(*reports), rhythm, reception, at(minutes))
    return verdict.reason if verdict else None


def test_nothing_gets_late_while_reports_cannot_come_in() -> None:
    assert reason_with(Reception(at(3)), 60, success(0)) is Reason.HEARTBEAT_AWAITED


def test_what_came_in_meanwhile_is_waited_for_before_anything_is_late() -> None:
    assert reason_with(Reception(at(6)), 6.02, success(0)) is None
    assert reason_with(Reception(at(6.01)), 6.02, success(0)) is Reason.HEARTBEAT_OVERDUE


def test_after_an_interruption_the_next_report_has_its_whole_time() -> None:
    reception = Reception(at(36), at(3), at(30))
    assert reason_with(reception, 36, success(0)) is Reason.HEARTBEAT_AWAITED
    assert reason_with(Reception(at(37), at(3), at(30)), 37, success(0)) is Reason.HEARTBEAT_OVERDUE


def test_an_interruption_that_came_after_the_deadline_excuses_nothing() -> None:
    assert reason_with(Reception(at(11), at(8), at(10)), 11, success(0)) is Reason.HEARTBEAT_OVERDUE


def test_an_interruption_before_the_last_report_excuses_nothing() -> None:
    assert reason_with(Reception(at(7), at(-9), at(-5)), 7, success(0)) is Reason.HEARTBEAT_OVERDUE


def test_the_end_of_a_run_may_have_been_lost_in_an_interruption() -> None:
    assert reason_with(Reception(at(3), at(0.5), at(1)), 3, success(-1), start(0)) is None


def test_a_reported_failure_is_told_whatever_could_not_come_in() -> None:
    assert reason_with(Reception(at(3)), 60, failure(0)) is Reason.HEARTBEAT_FAILED


NIGHTLY = Rhythm(Cron("30 2 * * *", "Europe/Berlin"), timedelta(minutes=20))


def in_berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


def reason_of_night(last: str, now: str, rhythm: Rhythm = NIGHTLY) -> Reason | None:
    heartbeat = received(Heartbeat(), Report(ReportKind.SUCCESS, in_berlin(last)))
    verdict = judged(heartbeat, rhythm, Reception(in_berlin(now)), in_berlin(now))
    return verdict.reason if verdict else None


@pytest.mark.parametrize(
    ("last", "good_until", "late_at"),
    [
        ("2026-03-27 02:31", "2026-03-28 02:49", "2026-03-28 02:51"),
        # The clocks skip 2:30, and Debian's cron runs the job at 3:00 instead.
        ("2026-03-28 02:31", "2026-03-29 03:19", "2026-03-29 03:21"),
        # The clocks show 2:30 twice, and the job runs the first time.
        ("2026-10-24 02:31", "2026-10-25 02:49", "2026-10-25 02:51"),
        ("2026-10-25 02:31", "2026-10-26 02:49", "2026-10-26 02:51"),
    ],
)
@pytest.mark.proves("heartbeat", "cron with a time zone")
def test_a_nightly_job_is_due_by_the_clocks_of_its_zone(last: str, good_until: str, late_at: str) -> None:
    assert reason_of_night(last, good_until) is None
    assert reason_of_night(last, late_at) is Reason.HEARTBEAT_OVERDUE


def test_a_report_shortly_before_its_time_is_of_that_time() -> None:
    assert reason_of_night("2026-06-01 02:29:45", "2026-06-01 03:00") is None


def test_what_is_late_by_cron_says_when_it_was_due_by_the_clocks_of_its_zone() -> None:
    heartbeat = received(Heartbeat(), Report(ReportKind.SUCCESS, in_berlin("2026-06-01 02:31")))
    now = in_berlin("2026-06-02 05:00")
    verdict = judged(heartbeat, NIGHTLY, Reception(now), now)
    assert verdict
    assert verdict.message == "last reported 26 h ago, was due at 2026-06-02 02:30 (Europe/Berlin) + 20 min grace"


ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
CRONS = st.sampled_from(["30 2 * * *", "0 * * * *", "*/15 * * * *", "15 1 * * SUN", "0 0 1 * *", "59 23 * * 1-5"])
# Around the changes of the clocks and elsewhere in two years.
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001 - it gets its zone
GRACES = st.integers(1, 86_400).map(lambda seconds: timedelta(seconds=seconds))


@given(CRONS, ZONES, INSTANTS, GRACES, st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_job_that_keeps_its_cron_is_never_late(
    expression: str, zone: str, since: datetime, grace: timedelta, lateness: list[float]
) -> None:
    rhythm = Rhythm(Cron(expression, zone), grace)
    due = cron_instants(Cron(expression, zone), since)
    heartbeat = received(Heartbeat(), Report(ReportKind.SUCCESS, next(due)))
    for share in lateness:
        assert heartbeat.last
        # It reports within its grace, but before it is due again.
        gap = rhythm.deadline_after(heartbeat.last.received_at) - grace - heartbeat.last.received_at
        at = heartbeat.last.received_at + gap + share * min(grace, timedelta(seconds=29))
        assert judged(heartbeat, rhythm, Reception(at), at) is None
        heartbeat = received(heartbeat, Report(ReportKind.SUCCESS, at))


@given(
    st.integers(1, 100_000).map(lambda seconds: timedelta(seconds=seconds)),
    GRACES,
    st.lists(st.floats(0, 1), max_size=20),
)
def test_what_reports_within_its_period_is_never_late(period: timedelta, grace: timedelta, shares: list[float]) -> None:
    rhythm, heartbeat, now = Rhythm(period, grace), received(Heartbeat(), success(0)), NOON
    for share in shares:
        now += share * (period + grace)
        assert judged(heartbeat, rhythm, Reception(now), now) is None
        heartbeat = received(heartbeat, Report(ReportKind.SUCCESS, now))


@given(st.integers(-100_000, 100_000), GRACES)
def test_a_clock_that_jumps_back_makes_nothing_late(seconds: int, grace: timedelta) -> None:
    now = NOON + timedelta(seconds=seconds)
    expected = None if now <= NOON + 5 * MINUTE + grace else Reason.HEARTBEAT_OVERDUE
    verdict = judged(heartbeat_of(success(0)), Rhythm(5 * MINUTE, grace), Reception(now), now)
    assert (verdict.reason if verdict else None) is expected


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0.2, 30)), min_size=1, max_size=1),
    st.lists(st.floats(0.01, 6), min_size=5, max_size=40),
)
def test_an_interruption_never_makes_a_good_job_late(
    interruption: list[tuple[float, float]], gaps: list[float]
) -> None:
    """A job reports within its period and grace; what it reports while nothing can come in is lost."""
    [(began, lasted)] = interruption
    ended, minutes, heartbeat = began + lasted, 0.0, received(Heartbeat(), success(0))
    for gap in gaps:
        minutes += gap
        if began < minutes < ended:
            reception = Reception(at(began))
        elif minutes >= ended:
            reception = Reception(at(minutes), at(began), at(ended))
        else:
            reception = Reception(at(minutes))
        verdict = judged(heartbeat, EVERY_FIVE, reception, at(minutes))
        assert verdict is None or verdict.reason is Reason.HEARTBEAT_AWAITED
        if not began < minutes < ended:
            heartbeat = received(heartbeat, success(minutes))


def test_open_runs_are_kept_in_the_order_in_which_they_started() -> None:
    assert heartbeat_of(start(0, RUN_A), start(1, RUN_B)).open_runs == (OpenRun(RUN_A, at(0)), OpenRun(RUN_B, at(1)))


def test_the_allowance_for_early_reports_is_shorter_than_the_shortest_cron() -> None:
    assert EARLIEST < MINUTE
