"""The lines of a log, for each event."""

from tests.watch.known import NOON, at, change, check, incident, knowing, result
from tocsin.watch.model import ConnectionLost, Event, IncidentChanged, Loaded, ResultSeen, State, apply
from tocsin.watch.plain import lines

LOST = ConnectionLost(at(1), "the connection was cut", at(2))


def told(state: State, event: Event) -> list[str]:
    return list(lines(state, event, at(9)))


def test_the_checks_are_listed_at_first() -> None:
    assert told(State(), Loaded("acme", (check(1, "DOWN"),))) == [
        "2026-01-01T12:00:09.000Z connected to acme",
        "2026-01-01T12:00:00.000Z check     shop / check 1: DOWN http",
    ]


def test_later_only_new_and_deleted_checks_are_listed() -> None:
    assert told(knowing(check(1), check(2)), Loaded("acme", (check(2), check(3)))) == [
        "2026-01-01T12:00:00.000Z check     shop / check 3: UP http",
        "2026-01-01T12:00:09.000Z gone      shop / check 1",
    ]


def test_a_result_is_a_line() -> None:
    event = ResultSeen(check(1).named, result(5, "FAILURE", 12, reason="STATUS", message="answered 503"))
    assert told(knowing(), event) == [
        "2026-01-01T12:00:05.000Z result    shop / check 1: FAILURE 12 ms STATUS answered 503"
    ]


def test_a_status_change_is_a_line() -> None:
    assert told(knowing(), change(1, 5)) == ["2026-01-01T12:00:05.000Z status    shop / check 1: UP -> DOWN TIMEOUT"]


def test_what_somebody_did_with_an_incident_is_a_line() -> None:
    event = IncidentChanged(check(1).named, incident(1, cause="DNS"), "COMMENTED", NOON, "on it", "alice")
    assert told(knowing(), event) == ["2026-01-01T12:00:00.000Z incident  shop / check 1: COMMENTED DNS on it by alice"]


def test_a_connection_that_is_lost_and_found_is_a_line_each() -> None:
    state = apply(knowing(), LOST)
    assert told(knowing(), LOST) == ["2026-01-01T12:00:09.000Z away      the connection was cut; trying again"]
    assert told(state, LOST) == []
    assert told(state, Loaded("acme", ())) == ["2026-01-01T12:00:09.000Z connected again"]
