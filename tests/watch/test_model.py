"""What a watcher knows after each event."""

from datetime import timedelta

from tests.watch.known import NOON, at, change, check, incident, knowing, result
from tocsin.watch.model import (
    KEPT_CHANGES,
    KEPT_RESULTS,
    ConnectionLost,
    IncidentChanged,
    Loaded,
    ResultSeen,
    State,
    apply,
)


def slots(state: State) -> list[int]:
    return [(seen.slot - NOON) // timedelta(seconds=1) for seen in state.checks["id-1"].results]


def lost(second: float) -> ConnectionLost:
    return ConnectionLost(at(second), "cut", at(second + 1))


def test_results_are_kept_in_the_order_of_their_slots() -> None:
    state = knowing(check(1))
    for second in (1, 3, 2):
        state = apply(state, ResultSeen(check(1).named, result(second)))
    assert slots(state) == [1, 2, 3]


def test_a_result_that_is_told_twice_is_kept_once() -> None:
    state = knowing(check(1, results=(result(1),)))
    assert slots(apply(state, ResultSeen(check(1).named, result(1)))) == [1]


def test_only_the_newest_results_are_kept() -> None:
    state = knowing(check(1))
    for second in range(30):
        state = apply(state, ResultSeen(check(1).named, result(second)))
    assert slots(state) == list(range(30 - KEPT_RESULTS, 30))


def test_what_is_told_of_an_unknown_check_changes_no_check() -> None:
    state = knowing(check(1))
    assert apply(state, ResultSeen(check(2).named, result(1))) == state


def test_a_status_change_shows_on_the_check_and_among_the_changes() -> None:
    state = apply(knowing(check(1)), change(1, 5))
    assert (state.checks["id-1"].status, state.checks["id-1"].since) == ("DOWN", at(5))
    assert state.changes[0] == change(1, 5)


def test_the_newest_changes_come_first_and_older_ones_are_let_go() -> None:
    state = knowing()
    for second in range(KEPT_CHANGES + 5):
        state = apply(state, change(1, second))
    assert [state.changes[0].at, state.changes[-1].at] == [at(KEPT_CHANGES + 4), at(5)]


def test_at_first_the_last_change_of_each_check_is_known_without_its_past() -> None:
    changes = knowing(check(1), check(2, "DOWN")).changes
    assert {(told.check.name, told.from_status, told.to) for told in changes} == {
        ("check 1", None, "UP"),
        ("check 2", None, "DOWN"),
    }


def test_a_change_that_is_told_replaces_what_was_read_of_it() -> None:
    told = change(1, 0)
    assert apply(knowing(check(1, "DOWN")), told).changes == (told,)
    assert apply(apply(knowing(), told), Loaded("acme", (check(1, "DOWN"),))).changes == (told,)


def test_of_changes_at_the_same_instant_the_one_told_last_comes_first() -> None:
    state = apply(apply(knowing(), change(1, 5, "UNKNOWN", "UP")), change(1, 5, "UP", "DOWN"))
    assert [told.to for told in state.changes] == ["DOWN", "UP"]


def test_an_incident_opens_and_is_acknowledged_and_ends() -> None:
    state = knowing(check(1))
    acknowledged = incident(1, acknowledged_at=at(1))
    for told, kind in ((incident(1), "OPENED"), (acknowledged, "ACKNOWLEDGED")):
        state = apply(state, IncidentChanged(check(1).named, told, kind, NOON))
        assert state.checks["id-1"].incident == told
    over = IncidentChanged(check(1).named, incident(1, resolved_at=at(2)), "RESOLVED", NOON)
    assert apply(state, over).checks["id-1"].incident is None


def test_the_replayed_end_of_an_older_incident_leaves_the_open_one() -> None:
    state = knowing(check(1, incident=incident(2)))
    over = IncidentChanged(check(1).named, incident(1, resolved_at=at(2)), "RESOLVED", NOON)
    assert apply(state, over).checks["id-1"].incident == incident(2)


def test_loading_again_keeps_the_results_that_were_seen() -> None:
    state = knowing(check(1, results=(result(1), result(2))))
    assert slots(apply(state, Loaded("acme", (check(1, results=(result(3),)),)))) == [1, 2, 3]


def test_loading_again_forgets_deleted_checks_and_takes_new_names() -> None:
    renamed = check(1, site="warehouse")
    state = apply(knowing(check(1), check(2)), Loaded("acme", (renamed,)))
    assert list(state.checks.values()) == [renamed]


def test_what_was_told_during_loading_outlives_it() -> None:
    state = apply(knowing(check(1)), change(1, 5))
    state = apply(state, Loaded("acme", (check(1, uptime=0.5),), overtaken=frozenset({"id-1"})))
    assert (state.checks["id-1"].status, state.checks["id-1"].uptime) == ("DOWN", 0.5)


def test_the_api_is_away_since_the_first_failure() -> None:
    state = apply(apply(knowing(), lost(1)), lost(5))
    assert state.away == ConnectionLost(at(1), "cut", at(6))


def test_the_api_is_back_when_checks_are_loaded() -> None:
    assert apply(apply(knowing(), lost(1)), Loaded("acme", ())).away is None
