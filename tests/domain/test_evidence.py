"""Evidence: what is kept of a failing probe is bounded, readable, and free of what gives access."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.evidence import Attempt, Evidence, JudgedAssertion, from_json, to_json
from tocsin.domain.evidence_keeping import EXCERPT_BYTES, MAXIMUM_BYTES, Redactor, keep
from tocsin.domain.facts import Facts, Source
from tocsin.domain.observations import Outcome, Reason

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "swordfish"
OPEN = Redactor()
HIDING = Redactor(lambda text: text.replace(SECRET, "***"), len(SECRET))
ATTEMPT = Attempt(NOON, timedelta(seconds=1), Outcome.FAILURE, Reason.STATUS, "expected 200-299, got 503")
ASSERTION = JudgedAssertion("JSON", "$.status", "EQUALS", '"up"', '"down"', "DOWN")
LONG_PARTS = ("subject", "issuer", "fingerprint", "problem", "cipher")
ANYTHING = st.text(st.characters(), max_size=5000)
WIDE = st.builds(lambda text, times: text * times, st.text(st.characters(), min_size=1, max_size=10), st.just(1000))
TEXTS = st.one_of(ANYTHING, WIDE)


def kept(facts: Facts, redactor: Redactor = OPEN) -> Evidence:
    evidence = keep(facts, (), (), redactor)
    assert evidence is not None
    return evidence


def headers(*given: tuple[str, str], redactor: Redactor = OPEN) -> dict[str, str]:
    return dict(kept({Source.HEADER: given}, redactor).headers)


def test_what_says_nothing_is_not_kept() -> None:
    assert keep({}, (), (), Redactor(), ("TLSv1.3", True)) is None


def test_what_is_kept_comes_back_as_it_was() -> None:
    facts: Facts = {
        Source.HEADER: (("Server", "nginx"),),
        Source.BODY: "sorry",
        Source.RECORD: ("192.0.2.1", "192.0.2.2"),
        Source.SIZE: 5,
    }
    evidence = keep(facts, [ASSERTION], [ATTEMPT], Redactor(), ("TLSv1.3", False))
    assert evidence is not None
    assert from_json(to_json(evidence)) == evidence
    assert evidence.facts == ((Source.SIZE, "5"), (Source.RECORD, '["192.0.2.1", "192.0.2.2"]'))
    assert (evidence.attempts, evidence.assertions, evidence.tls_verified) == ((ATTEMPT,), (ASSERTION,), False)


def test_what_was_read_stands_for_a_body_where_there_is_none() -> None:
    assert kept({Source.JSON: [{"status": "größe"}]}).body_excerpt == '[{"status": "größe"}]'


def test_a_certificate_of_many_names_tells_who_issued_it() -> None:
    certificate = {"names": ["example.com"] * 100, "issuer": "Acme", "days": 3.5}
    [(source, text)] = kept({Source.CERTIFICATE: certificate}).facts
    assert source is Source.CERTIFICATE
    told = json.loads(text)
    assert (told["issuer"], told["days"], set(told["names"])) == ("Acme", 3.5, {"example.com"})


@given(st.dictionaries(st.sampled_from([*LONG_PARTS, "names"]), st.one_of(TEXTS, st.lists(TEXTS, max_size=9))))
def test_parts_of_a_fact_are_kept_as_wholes(parts: dict[str, Any]) -> None:
    [(_, text)] = kept({Source.CERTIFICATE: {"days": 3.5, **parts}}).facts
    assert json.loads(text)["days"] == 3.5
    assert len(text.encode()) <= 350


def test_a_long_certificate_says_its_problem_its_issuer_and_its_first_name() -> None:
    parts = dict.fromkeys(LONG_PARTS, "x" * 200)
    [(_, text)] = kept({Source.CERTIFICATE: {**parts, "days": -1234.567, "names": ["é" * 120] * 200}}).facts
    assert {"days", "problem", "issuer", "names"} == json.loads(text).keys()
    assert len(json.loads(text)["names"]) == 1


def test_no_secret_is_left_in_the_parts_of_a_fact() -> None:
    fact = {"issuer": "x" * 74 + SECRET * 9, "names": [SECRET, "a.example"], "days": 3.5}
    [(_, text)] = kept({Source.CERTIFICATE: fact}, HIDING).facts
    assert "sw" not in text
    assert json.loads(text)["names"] == ["***", "a.example"]


def test_what_a_newer_version_has_kept_is_passed_over() -> None:
    newer = {"body": "sorry", "smell": "burnt", "facts": [["SMELL", "burnt"]], "assertions": [[*"sporaev", None]]}
    evidence = from_json(json.dumps(newer))
    assert (evidence.body_excerpt, evidence.facts, len(evidence.assertions)) == ("sorry", (), 1)


@pytest.mark.parametrize(
    "name", ["Set-Cookie", "WWW-Authenticate", "authorization", "Proxy-Authenticate", "X-Api-Key", "X-CSRF-Token"]
)
def test_a_header_that_gives_access_is_masked(name: str) -> None:
    assert headers((name, "swordfish")) == {name: "***"}


def test_the_query_of_a_redirect_is_masked() -> None:
    assert headers(("Location", "https://example.com/in?code=swordfish&a=b")) == {
        "Location": "https://example.com/in?***"
    }


def test_a_secret_is_masked_wherever_it_stands() -> None:
    facts: Facts = {Source.HEADER: ((f"X-{SECRET}", SECRET),), Source.BODY: f"<{SECRET}>", Source.RECORD: (SECRET,)}
    evidence = keep(facts, [JudgedAssertion("BODY", SECRET, "IS", SECRET, SECRET, "DOWN")], (), HIDING)
    assert evidence is not None
    assert SECRET not in to_json(evidence)
    assert (evidence.body_excerpt, evidence.headers) == ("<***>", (("X-***", "***"),))


@given(st.integers(0, 2 * len(SECRET)), st.text("ab ", max_size=40))
def test_no_part_of_a_secret_is_left_where_the_text_is_cut(before_the_cut: int, after: str) -> None:
    body = "x" * (EXCERPT_BYTES + len(SECRET) - before_the_cut) + SECRET + after
    excerpt = kept({Source.BODY: body}, HIDING).body_excerpt
    assert excerpt is not None
    assert set(excerpt) <= set("xab *")


def test_masks_do_not_pull_a_cut_secret_into_the_excerpt() -> None:
    body = (SECRET + " ") * 205 + SECRET[:-1]
    assert "sword" not in (kept({Source.BODY: body * 2}, HIDING).body_excerpt or "")


def test_a_secret_that_is_too_long_to_be_searched_for_leaves_no_excerpt_of_a_long_body() -> None:
    searching = Redactor(HIDING.apply, 100_000)
    assert keep({Source.BODY: "x" * 4096}, (), (), searching) is None
    assert kept({Source.BODY: SECRET}, searching).body_excerpt == "***"


@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        ("a\0b", "a\\x00b"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\ud800", "\\ud800"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\U000e0001", "\\U000e0001"),
        ("a\n\tb", "a\n\tb"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("größe 👩", "größe 👩"),
    ],
)
def test_what_is_not_printable_is_escaped(body: str, excerpt: str) -> None:
    assert kept({Source.BODY: body}).body_excerpt == excerpt


@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=80), st.lists(TEXTS, max_size=80), st.lists(TEXTS, max_size=8))
def test_evidence_is_bounded_and_can_be_stored(
    body: str, sent: list[tuple[str, str]], records: list[str], messages: list[str]
) -> None:
    facts: dict[Source, Any] = {Source.BODY: body, Source.HEADER: sent, Source.RECORD: tuple(records)}
    assertions = [JudgedAssertion("BODY", text, "CONTAINS", text, text, "DOWN") for text in messages]
    attempts = [Attempt(NOON, timedelta(days=1), Outcome.FAILURE, Reason.TIMEOUT, text[:500]) for text in messages]
    evidence = keep(facts, assertions, attempts, Redactor(), ("TLSv1.3", False))
    stored = to_json(evidence or Evidence())
    assert len(stored.encode()) <= MAXIMUM_BYTES
    assert "\0" not in stored
    assert "\\u0000" not in stored.replace("\\\\u0000", "")


def test_all_attempts_of_a_run_fit() -> None:
    long = Attempt(NOON, timedelta(seconds=60), Outcome.FAILURE, Reason.HEARTBEAT_OVERDUE, "x" * 500)
    evidence = keep({}, (), [long] * 5, Redactor())
    assert evidence is not None
    assert len(evidence.attempts) == 5
