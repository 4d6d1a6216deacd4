"""The screen, as text, at several sizes."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.watch.known import NOON, at, change, check, incident, knowing, result
from tocsin.watch.model import CheckName, ConnectionLost, State, apply
from tocsin.watch.view import screen

URL = "http://127.0.0.1:8000"
FAILED = result(5, "FAILURE", reason="STATUS", message="answered 503", status_code=503)
SHOP = (
    check(1, results=(result(0), result(5))),
    check(2, "DOWN", results=(result(0), FAILED), uptime=0.9312, incident=incident(1, cause="STATUS", message="503")),
    check(3, "PAUSED", site="warehouse"),
)


def lines(state: State, width: int = 120, height: int = 40, second: float = 65) -> list[str]:
    output = StringIO()
    Console(file=output, width=width, color_system=None).print(screen(state, URL, at(second), width, height))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def line(name: str, shown: list[str]) -> str:
    return next(line for line in shown if name in line)


def spaced(text: str) -> str:
    """The words with one space between them."""
    return " ".join(text.split())


def test_a_check_is_shown_with_all_that_is_known_of_it() -> None:
    words = spaced(line("check 2", lines(knowing(*SHOP))))
    assert words == "✗ DOWN check 2 1m05s 10 ms █✗ 93.12% http STATUS: answered 503"


def test_checks_stand_below_their_site() -> None:
    shown = lines(knowing(*SHOP))
    places = [shown.index(line(words, shown)) for words in ("shop", "check 2", "check 1", "warehouse", "check 3")]
    assert places == sorted(places)


def test_the_worst_come_first() -> None:
    statuses = ("PAUSED", "UP", "PENDING", "DEGRADED", "UNKNOWN", "DOWN")
    shown = lines(knowing(*(check(number, status) for number, status in enumerate(statuses))))
    assert [text[0] for text in shown[3:9]] == ["✗", "?", "!", "…", "✓", "="]


def test_the_header_counts_the_checks_in_each_status() -> None:
    assert spaced(lines(knowing(*SHOP))[0]) == "TOCSIN acme ✗ 1 DOWN ✓ 1 UP = 1 PAUSED live 12:01:05 q ends"


def test_an_open_incident_is_shown_with_its_age_and_cause() -> None:
    shown = lines(knowing(*SHOP))
    incidents = shown[shown.index(line("OPEN INCIDENTS", shown)) + 1 :]
    assert spaced(incidents[0]) == "✗ OPEN check 2 1m05s 12:00:00 STATUS shop 503"


def test_an_acknowledged_incident_is_shown_as_such_behind_the_others() -> None:
    acknowledged = check(1, "DOWN", incident=incident(1, acknowledged_at=NOON))
    shown = lines(knowing(acknowledged, check(2, "DOWN", incident=incident(2))))
    incidents = shown[shown.index(line("OPEN INCIDENTS", shown)) + 1 :]
    assert [text.split()[1] for text in incidents[:2]] == ["OPEN", "ACKED"]


def test_the_newest_status_change_comes_first() -> None:
    state = apply(apply(knowing(*SHOP), change(1, 10, "UP", "DEGRADED")), change(1, 20, "DEGRADED", "DOWN"))
    shown = lines(state)
    changes = shown[shown.index(line("STATUS CHANGES", shown)) + 1 :]
    assert spaced(changes[0]) == "✗ DOWN check 1 12:00:20 DEGRADED TIMEOUT shop"
    assert changes[1].split()[1] == "DEGRADED"


def test_ages_follow_the_clock_of_the_platform() -> None:
    state = knowing(*SHOP, clock_lead=at(60) - NOON)
    assert "2m05s" in line("check 2", lines(state))


@pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 12, 16, 24, 50])
@pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 100, 160])
def test_nothing_is_wider_or_higher_than_the_terminal(width: int, height: int) -> None:
    checks = [check(n, "DOWN" if n % 3 else "UP", f"site {n % 4}", incident=incident(n)) for n in range(40)]
    state = apply(knowing(*checks), ConnectionLost(at(0), "nothing listens there", at(70)))
    shown = lines(state, width, height)
    assert max(map(cell_len, shown)) <= width
    assert len(shown) <= max(height, 3)


def test_how_many_checks_have_no_room_is_said_and_none_of_them_is_worse() -> None:
    checks = [check(number, "DOWN" if number < 2 else "UP") for number in range(30)]
    shown = lines(knowing(*checks), height=15)
    assert spaced(line("without room", shown)) == "20 more without room: ✓ 20 UP"
    assert sum(text.startswith("✗") for text in shown) == 2


def test_a_narrow_terminal_still_says_what_is_down_and_for_how_long() -> None:
    assert spaced(line("check 2", lines(knowing(*SHOP), width=36))) == "✗ check 2 1m05s 10 ms"


def test_an_api_that_is_away_is_said_to_be_so_with_what_was_known_last() -> None:
    state = apply(knowing(*SHOP), ConnectionLost(at(60), "the connection was cut", at(68)))
    shown = lines(state)
    assert shown[1].strip() == f"{URL} is away since 12:01:00 (5s): the connection was cut. Next try in 3s."
    assert "AWAY" in shown[0]
    assert line("check 2", shown)


def test_before_anything_is_known_it_says_where_it_connects_to() -> None:
    assert lines(State())[-1] == f"Connecting to {URL} ..."


def test_an_organization_without_checks_is_told_how_to_make_one() -> None:
    assert line("createCheck", lines(knowing()))


def test_words_in_brackets_are_no_markup() -> None:
    failed = result(5, "FAILURE", reason="ASSERTION", message="[red]no[/red] 'ok'")
    assert "[red]no[/red] 'ok'" in line("check 1", lines(knowing(check(1, results=(failed,)))))


def test_wide_characters_keep_the_columns_in_place() -> None:
    named = replace(check(1, uptime=0.5), named=CheckName("id-1", "shop", "検査" * 10))
    shown = lines(knowing(named, check(2, uptime=0.25)))
    assert cell_len(line("検査", shown).split("50.00%")[0]) == cell_len(line("check 2", shown).split("25.00%")[0])
