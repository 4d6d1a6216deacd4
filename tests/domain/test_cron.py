"""Cron expressions in time zones: what is due around changes of the clocks, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.schedule import Cron, cron_instants, validate_cron, validate_time_zone

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def local_times(expression: str, zone: str, after: str, until: str) -> list[str]:
    """What is due between two local times, as local times with their offsets."""
    name = ZoneInfo(zone)
    start, end = (datetime.fromisoformat(text).replace(tzinfo=name) for text in (after, until))
    found = []
    for instant in cron_instants(Cron(expression, zone), start):
        if instant > end.astimezone(UTC):
            break
        found.append(f"{instant.astimezone(name):%m-%d %H:%M%z}")
    return found


def first_dates(expression: str, count: int, after: date = date(2026, 1, 1)) -> list[str]:
    start = datetime(after.year, after.month, after.day, tzinfo=UTC) - MINUTE
    return [f"{instant:%Y-%m-%d}" for instant in islice(cron_instants(Cron(expression, "UTC"), start), count)]


def test_a_daily_time_keeps_its_local_hour_over_the_year() -> None:
    assert local_times("0 9 * * *", "Europe/Berlin", "2026-03-28 10:00", "2026-03-30 10:00") == [
        "03-29 09:00+0200",
        "03-30 09:00+0200",
    ]
    assert local_times("0 9 * * *", "Europe/Berlin", "2026-10-24 10:00", "2026-10-26 10:00") == [
        "10-25 09:00+0100",
        "10-26 09:00+0100",
    ]


@pytest.mark.parametrize(
    ("zone", "day", "skipped", "change"),
    [
        ("Europe/Berlin", "2026-03-29", "30 2 * * *", "03-29 03:00+0200"),
        ("America/New_York", "2026-03-08", "30 2 * * *", "03-08 03:00-0400"),
        ("Australia/Lord_Howe", "2026-10-04", "15 2 * * *", "10-04 02:30+1100"),
        ("Africa/Cairo", "2026-04-24", "30 0 * * *", "04-24 01:00+0300"),
        ("America/Santiago", "2026-09-06", "0 0 * * *", "09-06 01:00-0300"),
        ("Antarctica/Troll", "2026-03-29", "5 2 * * *", "03-29 03:00+0200"),
    ],
)
def test_a_daily_time_that_is_skipped_is_due_at_the_change(zone: str, day: str, skipped: str, change: str) -> None:
    day_before = date.fromisoformat(day) - DAY
    assert local_times(skipped, zone, f"{day_before} 12:00", f"{day} 12:00") == [change]


@pytest.mark.parametrize(
    ("zone", "day", "repeated", "first"),
    [
        ("Europe/Berlin", "2026-10-25", "30 2 * * *", "10-25 02:30+0200"),
        ("America/New_York", "2026-11-01", "30 1 * * *", "11-01 01:30-0400"),
        ("Australia/Lord_Howe", "2026-04-05", "45 1 * * *", "04-05 01:45+1100"),
        ("Africa/Cairo", "2026-10-29", "30 23 * * *", "10-29 23:30+0300"),
        ("America/Santiago", "2026-04-04", "30 23 * * *", "04-04 23:30-0300"),
    ],
)
def test_a_daily_time_that_is_repeated_is_due_the_first_time_only(
    zone: str, day: str, repeated: str, first: str
) -> None:
    assert local_times(repeated, zone, f"{day} 00:00", f"{day} 23:59") == [first]


def test_times_that_the_same_change_skips_are_due_once() -> None:
    assert local_times("0,20,40 2,3 * * *", "Europe/Berlin", "2026-03-29 00:00", "2026-03-29 06:00") == [
        "03-29 03:00+0200",
        "03-29 03:20+0200",
        "03-29 03:40+0200",
    ]


def test_every_fifteen_minutes_leaps_over_a_skipped_hour_without_a_pause() -> None:
    found = local_times("*/15 * * * *", "America/New_York", "2026-03-08 01:30", "2026-03-08 03:15")
    assert found == ["03-08 01:45-0500", "03-08 03:00-0400", "03-08 03:15-0400"]


def test_every_thirty_minutes_goes_on_through_a_repeated_hour() -> None:
    assert local_times("*/30 * * * *", "Europe/Berlin", "2026-10-25 01:30", "2026-10-25 03:00") == [
        "10-25 02:00+0200",
        "10-25 02:30+0200",
        "10-25 02:00+0100",
        "10-25 02:30+0100",
        "10-25 03:00+0100",
    ]


def test_a_change_of_half_an_hour_loses_nothing() -> None:
    assert local_times("*/10 2 * * *", "Australia/Lord_Howe", "2026-10-04 00:00", "2026-10-04 12:00") == [
        "10-04 02:30+1100",
        "10-04 02:40+1100",
        "10-04 02:50+1100",
    ]
    assert local_times("0 */3 * * *", "Australia/Lord_Howe", "2026-10-04 00:00", "2026-10-04 06:00") == [
        "10-04 03:00+1100",
        "10-04 06:00+1100",
    ]
    assert local_times("45 * * * *", "Australia/Lord_Howe", "2026-04-05 01:00", "2026-04-05 02:45") == [
        "04-05 01:45+1100",
        "04-05 01:45+1030",
        "04-05 02:45+1030",
    ]


@pytest.mark.parametrize("expression", ["30 2 * * *", "*/30 * * * *", "*/30 2 * * *", "5,55 1-3 * * *"])
@pytest.mark.parametrize("fold", [0, 1])
def test_a_start_in_the_repeated_hour_finds_only_what_comes_after_it(expression: str, fold: int) -> None:
    start = datetime(2026, 10, 25, 2, 10, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)
    cron = Cron(expression, "Europe/Berlin")
    from_the_day_before = [i for i in islice(cron_instants(cron, start - DAY), 200) if i > start]
    assert list(islice(cron_instants(cron, start), len(from_the_day_before))) == from_the_day_before


def test_a_day_that_a_zone_skips_altogether_is_due_at_its_end() -> None:
    assert local_times("0 8,20 * * *", "Pacific/Apia", "2011-12-29 12:00", "2011-12-31 12:00") == [
        "12-29 20:00-1000",
        "12-31 00:00+1400",
        "12-31 08:00+1400",
    ]


def test_the_leap_day_comes_every_four_years() -> None:
    assert first_dates("0 0 29 2 *", 2) == ["2028-02-29", "2032-02-29"]


def test_a_day_that_a_month_lacks_is_not_due_in_it() -> None:
    assert first_dates("0 0 31 * *", 3) == ["2026-01-31", "2026-03-31", "2026-05-31"]


def test_the_last_day_of_each_month_is_l() -> None:
    assert first_dates("0 0 L * *", 3) == ["2026-01-31", "2026-02-28", "2026-03-31"]


def test_months_and_days_have_names() -> None:
    assert first_dates("0 0 * feb,apr sun", 5) == ["2026-02-01", "2026-02-08", "2026-02-15", "2026-02-22", "2026-04-05"]
    assert first_dates("0 0 * * MON-FRI", 3) == ["2026-01-01", "2026-01-02", "2026-01-05"]


def test_sunday_is_both_0_and_7() -> None:
    assert first_dates("0 0 * * 0", 9) == first_dates("0 0 * * 7", 9) == first_dates("0 0 * * SUN", 9)


def test_a_day_of_the_month_and_one_of_the_week_are_alternatives() -> None:
    assert first_dates("0 0 13 * FRI", 4) == ["2026-01-02", "2026-01-09", "2026-01-13", "2026-01-16"]


def test_instants_come_strictly_after_and_on_whole_minutes() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    each_minute = Cron("* * * * *", "UTC")
    assert next(cron_instants(each_minute, noon)) == noon + MINUTE
    assert next(cron_instants(each_minute, noon - datetime.resolution)) == noon
    assert next(cron_instants(each_minute, noon + datetime.resolution)) == noon + MINUTE


# Around each: a change of the clocks, forward or back, by an hour, half an hour, two, three, or a day.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 4, 5, 3, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Antarctica/Casey", datetime(2010, 3, 4, 15, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 1, 1, tzinfo=UTC)),
]
MINUTES = {"*": range(60), "*/20": (0, 20, 40), "0": (0,), "30": (30,), "5,45": (5, 45), "50-59/3": (50, 53, 56, 59)}
HOURS = {
    "*": range(24),
    "*/2": range(0, 24, 2),
    "0": (0,),
    "2": (2,),
    "1-3": (1, 2, 3),
    "1,23": (1, 23),
    "0-23": range(24),
}


@cache
def minutes_around(zone: str, change: datetime) -> list[tuple[datetime, datetime]]:
    """Each minute from two days before to two days after: the instant, and the wall time that clocks show at it."""
    first = change - 2 * DAY
    shown = (first + n * MINUTE for n in range(4 * DAY // MINUTE))
    return [(instant, instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)) for instant in shown]


def followed(clock: list[tuple[datetime, datetime]], minute: str, hour: str) -> Iterator[datetime]:
    """For a minute or hour with `*`: each instant at which the clocks show a time that matches."""
    return (i for i, wall in clock if wall.minute in MINUTES[minute] and wall.hour in HOURS[hour])


def fixed(clock: list[tuple[datetime, datetime]], minute: str, hour: str) -> Iterator[datetime]:
    """For fixed times: the first instant at which the clocks show that time or a later one."""
    days = sorted({wall.date() for _, wall in clock} | {clock[0][1].date() + n * DAY for n in range(4)})
    times = (datetime(d.year, d.month, d.day, h, m) for d in days for h in HOURS[hour] for m in MINUTES[minute])  # noqa: DTZ001
    position, last = 0, None
    for time in times:
        while position < len(clock) and clock[position][1] < time:
            position += 1
        if position < len(clock) and clock[position][0] != last:
            last = clock[position][0]
            yield last


@given(
    st.sampled_from(CHANGES),
    st.sampled_from(sorted(MINUTES)),
    st.sampled_from(sorted(HOURS)),
    st.integers(-20 * 60, 20 * 60),
    st.integers(0, 20 * 60),
)
@settings(max_examples=150, deadline=None)
def test_around_a_change_no_instant_is_lost_or_doubled(
    change: tuple[str, datetime], minute: str, hour: str, start_minute: int, length: int
) -> None:
    zone, changed_at = change
    start = changed_at + start_minute * MINUTE
    expected = (followed if minute[0] == "*" or hour[0] == "*" else fixed)(minutes_around(*change), minute, hour)
    in_range = [instant for instant in expected if start < instant <= start + length * MINUTE]
    found = cron_instants(Cron(f"{minute} {hour} * * *", zone), start)
    assert list(islice(found, len(in_range))) == in_range
    assert next(found) > start + length * MINUTE


@given(st.sampled_from(CHANGES), st.sampled_from(sorted(MINUTES)), st.sampled_from(sorted(HOURS)))
@settings(max_examples=40, deadline=None)
def test_instants_increase_strictly(change: tuple[str, datetime], minute: str, hour: str) -> None:
    zone, changed_at = change
    found = list(islice(cron_instants(Cron(f"{minute} {hour} * * *", zone), changed_at - DAY), 300))
    assert all(earlier < later for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "*/5 * * * *",
        "0 9-17 * * MON-FRI",
        "30 4 1,15 * 5",
        "0 0 1 JAN *",
        "0 0 L * *",
        "0 0 LW * *",
        "0 0 * * 5L",
        "0 0 * * 1#1",
        "0 0 29 2 *",
        "0 0 29 2 */7",
        "5/15 * * * *",
        "0 0 1 1 7",
    ],
)
def test_a_cron_expression_is_taken_as_it_is(expression: str) -> None:
    assert validate_cron(expression) == expression


def test_spaces_in_a_cron_expression_are_made_single() -> None:
    assert validate_cron("  */5\t*  * *\n*") == "*/5 * * * *"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "five fields"),
        ("   ", "five fields"),
        ("@daily", "five fields"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("0 0 1 1 * 2026", "five fields"),
        ("every 5 minutes of it", "bad minute; write 0 to 59"),
        ("60 * * * *", "bad minute; write 0 to 59"),
        ("-1 * * * *", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("1.5 * * * *", "bad minute"),
        ("1,,2 * * * *", "bad minute"),
        ("5-1 * * * *", "bad minute"),
        ("٣ * * * *", "bad minute"),
        ("\0 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour; write 0 to 23"),
        ("* * 0 * *", "bad day-of-month; write 1 to 31"),
        ("* * 32 * *", "bad day-of-month"),
        ("* * ? * *", "bad day-of-month"),
        ("* * * 13 *", "bad month; write 1 to 12"),
        ("* * * FOO *", "bad month"),
        ("* * * * 8", "bad day-of-week; write 0 to 7"),
        ("* * * * FRI-MON", "bad day-of-week"),
        ("* * * * 1#6", "bad day-of-week"),
        ("0 0 30 2 *", "a day that the month has"),
        ("0 0 31 2,4,6,9,11 *", "a day that the month has"),
        ("0 0 */30 2,4 MON#2", "never due; name a day that exists"),
        ("0 0 1-7 * */1,MON#5 0", "five fields"),
        (",".join(map(str, range(60))) + " * * * *", "at most 100 characters"),
        ("9" * 100_000 + " * * * *", "at most 100 characters"),
        (" " * 101, "at most 100 characters"),
    ],
)
def test_a_bad_cron_expression_is_refused_with_the_remedy(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validate_cron(expression)


fields = st.text(alphabet="0123456789**/,-#LWMONFRIJA\0\u0663\u00e9", min_size=1, max_size=5)


@given(st.lists(st.sampled_from(["*", "0", "1", "L", "*/5", "MON#5"]) | fields, min_size=4, max_size=6).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_any_text_is_either_refused_or_due_some_day(text: str) -> None:
    try:
        expression = validate_cron(text)
    except ValueError:
        return
    assert next(cron_instants(Cron(expression, "Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC)), None)


@pytest.mark.parametrize(
    "expression", ["0 0 29 2 1", "0 0 29 2 */7", "*/5 3 * 2 MON#5", "59 23 31 12 *", "0 0 */30 2 MON#2"]
)
def test_rare_expressions_are_cheap(expression: str) -> None:
    began = process_time()
    for _ in range(10):
        next(cron_instants(Cron(expression, "Europe/Berlin"), datetime(2026, 3, 1, tzinfo=UTC)), None)
    assert process_time() - began < 1.0  # seconds for ten; a few milliseconds are usual


def test_an_expression_that_is_never_due_is_found_out_cheaply() -> None:
    began = process_time()
    with pytest.raises(ValueError, match="never due"):
        validate_cron("0 0 */31 * MON#3")
    assert process_time() - began < 0.5  # seconds, for the fifty years that are searched


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Asia/Kolkata"]
)
def test_a_time_zone_of_the_iana_database_is_taken(name: str) -> None:
    assert validate_time_zone(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Berlin",
        "europe/berlin",
        "Europe",
        "Europe/",
        "Europe/Berlin ",
        "CEST",
        "+02:00",
        "GMT+25",
        "localtime",
        "Factory",
        "posixrules",
        "right/Europe/Berlin",
        "tzdata.zi",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe/Berlin\0",
        "x" * 100_000,
    ],
)
def test_another_time_zone_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(ValueError, match="must be a time zone of the IANA database, such as Europe/Berlin"):
        validate_time_zone(name)
