"""What several locations say together, read as words: one letter a location."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.locations import LocationState, Quorum, QuorumRule, aggregate, follow, needed, read_quorum
from tocsin.domain.observations import Reason
from tocsin.domain.status import CheckState, Event, IncidentOpened, IncidentResolved, Status, StatusChanged

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANY, MAJORITY, ALL = QuorumRule.ANY, QuorumRule.MAJORITY, QuorumRule.ALL
LETTERS = {
    "U": Status.UP,
    "D": Status.DEGRADED,
    "X": Status.DOWN,
    "?": Status.UNKNOWN,
    "P": Status.PENDING,
}


def said(letters: str, quorum: Quorum) -> str:
    return aggregate([LETTERS[letter] for letter in letters], quorum)


@pytest.mark.parametrize(
    ("letters", "status"),
    [
        *(("UUU", "UP"), ("XUU", "DOWN"), ("XXX", "DOWN"), ("UDU", "DEGRADED")),
        *(("U?U", "UNKNOWN"), ("X?U", "DOWN"), ("???", "UNKNOWN"), ("UPU", "PENDING"), ("PPP", "PENDING")),
    ],
)
def test_any_location_that_is_down_is_enough(letters: str, status: str) -> None:
    assert said(letters, ANY) == status


@pytest.mark.parametrize(
    ("letters", "status"),
    [
        *(("UUU", "UP"), ("XUU", "DEGRADED"), ("XXU", "DOWN"), ("XX?", "DOWN"), ("UUD", "DEGRADED")),
        *(("X?U", "UNKNOWN"), ("X?D", "UNKNOWN"), ("??U", "UNKNOWN"), ("UU?", "UP"), ("XPU", "PENDING")),
        *(("XX", "DOWN"), ("XU", "DEGRADED"), ("X?", "UNKNOWN"), ("U?", "UP"), ("U", "UP"), ("X", "DOWN")),
    ],
)
def test_most_of_all_locations_must_be_down(letters: str, status: str) -> None:
    assert said(letters, MAJORITY) == status


@pytest.mark.parametrize(
    ("letters", "status"),
    [
        *(("XXX", "DOWN"), ("XXU", "DEGRADED"), ("X??", "DOWN"), ("XXP", "DOWN"), ("UUU", "UP")),
        *(("U??", "UP"), ("D?X", "DEGRADED"), ("???", "UNKNOWN"), ("?PP", "UNKNOWN"), ("PPP", "PENDING")),
    ],
)
def test_all_locations_that_have_decided_must_be_down(letters: str, status: str) -> None:
    assert said(letters, ALL) == status


@pytest.mark.parametrize(("letters", "status"), [("XXUU", "DOWN"), ("X?UU", "UNKNOWN"), ("XUUU", "DEGRADED")])
def test_a_number_of_locations_must_be_down(letters: str, status: str) -> None:
    assert said(letters, 2) == status


@pytest.mark.parametrize(("text", "quorum"), [("ANY", ANY), ("MAJORITY", MAJORITY), ("ALL", ALL), ("1", 1), ("16", 16)])
def test_a_quorum_is_read(text: str, quorum: Quorum) -> None:
    assert read_quorum(text) == quorum


@pytest.mark.parametrize("text", ["", "any", "0", "17", "-1", "1.5", "²", "MOST", "10000000000000000000000"])
def test_what_is_no_quorum_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be ANY, MAJORITY, ALL, or how many"):
        read_quorum(text)


class Trace:
    """A check's own state, as its locations go from word to word, one a minute. Instants are minutes."""

    def __init__(self, quorum: Quorum, *words: str) -> None:
        self.state = CheckState(START)
        self.events: list[Event] = []
        self.locations = [LocationState(Status.PENDING, START) for _ in words[0]]
        for minute, word in enumerate(words, 1):
            self.go_on(quorum, word, START + minute * MINUTE)

    def go_on(self, quorum: Quorum, word: str, now: datetime) -> None:
        for place, letter in enumerate(word):
            if LETTERS[letter] is not self.locations[place].status:
                reason = {"X": Reason.TIMEOUT, "?": Reason.LEASE_EXPIRED}.get(letter)
                self.locations[place] = LocationState(LETTERS[letter], now, reason, f"at {place}")
        self.state, events = follow(self.state, self.locations, quorum, now, now)
        self.events += events

    @property
    def changes(self) -> list[str]:
        return [f"{e.to_status} {_minute(e.at)}" for e in self.events if isinstance(e, StatusChanged)]

    @property
    def incidents(self) -> list[str]:
        told = {IncidentOpened: "opened", IncidentResolved: "resolved"}
        return [f"{told[type(e)]} {_minute(e.at)}" for e in self.events if not isinstance(e, StatusChanged)]


def _minute(instant: datetime) -> int:
    return (instant - START) // MINUTE


def test_one_incident_opens_when_the_quorum_is_reached_and_ends_when_it_is_lost() -> None:
    outage = Trace(MAJORITY, "UUU", "XUU", "XXU", "XXX", "XXU", "XUU", "UUU")
    assert outage.incidents == ["opened 3", "resolved 6"]
    assert outage.changes == ["UP 1", "DEGRADED 2", "DOWN 3", "DEGRADED 6", "UP 7"]


def test_an_incident_tells_cause_and_message_of_the_location_that_decided() -> None:
    *_, opened = Trace(MAJORITY, "UUU", "XUU", "XXU").events
    assert isinstance(opened, IncidentOpened)
    assert (opened.cause, opened.message) == (Reason.TIMEOUT, "at 1")


def test_locations_that_are_lost_open_no_incident_and_close_none() -> None:
    assert Trace(MAJORITY, "UUU", "???", "UUU").incidents == []
    lost = Trace(MAJORITY, "UUU", "XXU", "X?U", "XXU", "UXU")
    assert lost.changes[2:] == ["UNKNOWN 3", "DOWN 4", "DEGRADED 5"]
    assert lost.incidents == ["opened 2", "resolved 5"]


def test_a_location_that_has_not_decided_changes_nothing() -> None:
    assert Trace(ANY, "UP", "UP").changes == []
    assert Trace(ANY, "UU", "UP").changes == ["UP 1"]


def test_an_outage_began_when_as_many_as_it_takes_were_down() -> None:
    down = [LocationState(Status.DOWN, START + minute * MINUTE) for minute in (5, 2)]
    up = CheckState(START, Status.UP)
    _, [changed, opened] = follow(up, down, 2, START + 2 * MINUTE, START + 9 * MINUTE)
    assert changed.at == opened.at == START + 5 * MINUTE
    assert changed.slot == START + 9 * MINUTE


def test_history_is_not_rewritten_before_the_status_that_is_shown() -> None:
    up = CheckState(START + 7 * MINUTE, Status.UP)
    _, [changed, _] = follow(up, [LocationState(Status.DOWN, START)] * 2, ANY, START, START + 9 * MINUTE)
    assert changed.at == START + 7 * MINUTE


words = st.text(alphabet="".join(LETTERS), min_size=1, max_size=6)
quorums = st.sampled_from([ANY, MAJORITY, ALL, 1, 2, 3])


@given(words, quorums, st.randoms())
def test_the_order_of_the_locations_does_not_matter(word: str, quorum: Quorum, chance: Random) -> None:
    shuffled = "".join(chance.sample(word, len(word)))
    assert said(shuffled, quorum) == said(word, quorum)


@given(st.sampled_from(sorted(LETTERS)), quorums)
def test_one_location_speaks_for_itself(letter: str, quorum: Quorum) -> None:
    assert said(letter, quorum) == LETTERS[letter]


@given(words, quorums)
def test_it_is_down_exactly_if_as_many_as_it_takes_are(word: str, quorum: Quorum) -> None:
    undecided = word.count("?") + word.count("P")
    enough = word.count("X") >= needed(len(word), undecided, quorum)
    assert (said(word, quorum) == "DOWN") == enough


@given(words, st.sampled_from([ANY, MAJORITY, 1, 2, 3]))
def test_unknown_is_what_could_still_be_down(word: str, quorum: Quorum) -> None:
    at_worst = word.replace("?", "X").replace("P", "X")
    if said(word, quorum) in ("UNKNOWN", "PENDING"):
        assert said(at_worst, quorum) == "DOWN"
    if said(word, quorum) in ("UP", "DEGRADED"):
        assert said(at_worst, quorum) != "DOWN"


@given(words, quorums)
def test_one_more_location_that_goes_down_never_ends_an_outage(word: str, quorum: Quorum) -> None:
    if said(word, quorum) == "DOWN":
        assert all(said(word[:place] + "X" + word[place + 1 :], quorum) == "DOWN" for place in range(len(word)))


@st.composite
def stories(draw: st.DrawFn) -> list[str]:
    size = draw(st.integers(1, 4))
    return draw(st.lists(st.text(alphabet="".join(LETTERS), min_size=size, max_size=size), min_size=1, max_size=12))


@given(stories(), quorums)
def test_incidents_alternate_and_follow_the_status(story: Sequence[str], quorum: Quorum) -> None:
    trace = Trace(quorum, *story)
    kinds = [each.split()[0] for each in trace.incidents]
    assert kinds == ["opened", "resolved"] * (len(kinds) // 2) + ["opened"] * (len(kinds) % 2)
    assert (trace.state.decided is Status.DOWN) == (len(kinds) % 2 == 1)
    assert trace.state.status == (trace.changes[-1].split()[0] if trace.changes else "PENDING")


@given(stories(), quorums)
def test_changes_stand_in_the_order_of_time(story: Sequence[str], quorum: Quorum) -> None:
    instants = [event.at for event in Trace(quorum, *story).events]
    assert instants == sorted(instants)


@given(stories(), quorums)
def test_locations_that_stay_as_they_are_change_nothing(story: Sequence[str], quorum: Quorum) -> None:
    trace = Trace(quorum, *story)
    later = START + timedelta(days=1)
    assert follow(trace.state, trace.locations, quorum, later, later) == (trace.state, ())
    assert follow(replace(trace.state), trace.locations, quorum, later, later)[1] == ()
