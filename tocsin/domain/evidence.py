"""What is kept of a probe that failed: enough to see why, bounded, free of secrets, and text that any store takes.

All is redacted before it is cut, for half a secret would not be found.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from tocsin.domain.evidence_texts import bounded, encoded_size, excerpt, masked_header, printable
from tocsin.domain.facts import Facts, Source
from tocsin.domain.observations import Outcome, Reason

# In bytes of JSON, together less than 8 KiB.
_ATTEMPTS_BYTES: Final = 1500
_ASSERTIONS_BYTES: Final = 1800
_HEADERS_BYTES: Final = 1800
_FACTS_BYTES: Final = 700
EXCERPT_BYTES: Final = 2048
MAXIMUM_BYTES: Final = 8192
_MESSAGE_BYTES: Final = 200
_VALUE_BYTES: Final = 300
# How many are looked at; what is beyond them would not fit.
_MOST_ITEMS: Final = 64
# Which facts are kept as they are; the others have a place of their own in the evidence or in the result.
_KEPT_FACTS: Final = (
    Source.STATUS,
    Source.SIZE,
    Source.RECORD,
    Source.CERTIFICATE,
    Source.LOSS,
    Source.ROUND_TRIP,
)
_SOURCES: Final = frozenset(source.value for source in Source)
_REASONS: Final = frozenset(reason.value for reason in Reason)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes secrets out of a text. No form of one that it looks for is longer than so many characters."""

    apply: Callable[[str], str] = str
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try of a run that was followed by another one. Its message is free of secrets."""

    started_at: datetime
    duration: timedelta
    outcome: Outcome
    reason: Reason | None
    message: str | None


@dataclass(frozen=True, slots=True)
class JudgedAssertion:
    """An expectation about what was seen, and what was seen instead; `failed` is None where it was not looked at.

    A condition has neither source nor operator: its expression is what is expected.
    """

    source: str | None
    path: str | None
    operator: str | None
    expected: str | None
    actual: str | None
    severity: str
    failed: bool | None = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is kept. `facts` are JSON, by source; `attempts` are the earlier ones."""

    attempts: tuple[Attempt, ...] = ()
    assertions: tuple[JudgedAssertion, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    facts: tuple[tuple[Source, str], ...] = ()
    body_excerpt: str | None = None
    tls_version: str | None = None
    tls_verified: bool | None = None


def keep(
    facts: Facts,
    assertions: Iterable[JudgedAssertion],
    attempts: Sequence[Attempt],
    redactor: Redactor,
    tls: tuple[str | None, bool | None] = (None, None),
    assertions_bytes: int = _ASSERTIONS_BYTES,
) -> Evidence | None:
    """The evidence; None where it would say nothing."""
    body = facts.get(Source.BODY)
    kept = Evidence(
        attempts=tuple(_within(_ATTEMPTS_BYTES, map(_bounded_attempt, attempts), _attempt_fields)),
        assertions=tuple(_within(assertions_bytes, _bounded_assertions(assertions, redactor), _assertion_fields)),
        headers=tuple(_within(_HEADERS_BYTES, _bounded_headers(facts.get(Source.HEADER) or (), redactor))),
        facts=tuple(_within(_FACTS_BYTES, _bounded_facts(facts, redactor))),
        body_excerpt=excerpt(body, EXCERPT_BYTES, redactor.apply, redactor.longest) if body else None,
    )
    if kept == Evidence():
        return None
    return Evidence(kept.attempts, kept.assertions, kept.headers, kept.facts, kept.body_excerpt, *tls)


def _within(most: int, items: Iterable[Any], shown: Callable[[Any], object] = tuple) -> Iterator[Any]:
    """The first items that fit into so many bytes of JSON."""
    for item in islice(items, _MOST_ITEMS):
        most -= encoded_size(shown(item)) + 2
        if most < 0:
            return
        yield item


def _bounded_attempt(attempt: Attempt) -> Attempt:
    message = None if attempt.message is None else bounded(printable(attempt.message), _MESSAGE_BYTES)
    return Attempt(attempt.started_at, attempt.duration, attempt.outcome, attempt.reason, message)


def _bounded_assertions(assertions: Iterable[JudgedAssertion], redactor: Redactor) -> Iterator[JudgedAssertion]:
    def told(text: str | None) -> str | None:
        return None if text is None else excerpt(text, _MESSAGE_BYTES, redactor.apply, redactor.longest)

    for each in assertions:
        expected, actual = told(each.expected), told(each.actual)
        yield JudgedAssertion(each.source, told(each.path), each.operator, expected, actual, each.severity, each.failed)


def _bounded_headers(headers: Iterable[tuple[str, str]], redactor: Redactor) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        told = masked_header(name, excerpt(value, _VALUE_BYTES, redactor.apply, redactor.longest))
        yield excerpt(name, _MESSAGE_BYTES, redactor.apply, redactor.longest), bounded(told, _VALUE_BYTES)


def _bounded_facts(facts: Facts, redactor: Redactor) -> Iterator[tuple[Source, str]]:
    for source in _KEPT_FACTS:
        if source in facts:
            text = json.dumps(facts[source], ensure_ascii=False, default=str)
            yield source, excerpt(text, _FACTS_BYTES // 2, redactor.apply, redactor.longest)


def to_json(evidence: Evidence) -> str:
    """As it is stored; what is not there takes no room."""
    fields = {
        "attempts": [_attempt_fields(attempt) for attempt in evidence.attempts],
        "assertions": [_assertion_fields(assertion) for assertion in evidence.assertions],
        "headers": evidence.headers,
        "facts": evidence.facts,
        "body": evidence.body_excerpt,
        "tls": [evidence.tls_version, evidence.tls_verified] if evidence.tls_version else None,
    }
    return json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False)


def from_json(text: str) -> Evidence:
    """What was stored, also by a version that kept more."""
    fields: Mapping[str, Any] = json.loads(text)
    tls_version, tls_verified = fields.get("tls") or (None, None)
    return Evidence(
        attempts=tuple(_attempt(*each[:5]) for each in fields.get("attempts", ())),
        assertions=tuple(JudgedAssertion(*each[:7]) for each in fields.get("assertions", ())),
        headers=tuple((name, value) for name, value in fields.get("headers", ())),
        facts=tuple((Source(source), value) for source, value in fields.get("facts", ()) if source in _SOURCES),
        body_excerpt=fields.get("body"),
        tls_version=tls_version,
        tls_verified=tls_verified,
    )


def _attempt_fields(attempt: Attempt) -> tuple[str, int, Outcome, Reason | None, str | None]:
    duration_us = attempt.duration // _MICROSECOND
    return attempt.started_at.isoformat(), duration_us, attempt.outcome, attempt.reason, attempt.message


def _attempt(started_at: str, duration_us: int, outcome: str, reason: str | None, message: str | None) -> Attempt:
    known = Reason(reason) if reason in _REASONS else None
    return Attempt(datetime.fromisoformat(started_at), duration_us * _MICROSECOND, Outcome(outcome), known, message)


def _assertion_fields(each: JudgedAssertion) -> tuple[object, ...]:
    return each.source, each.path, each.operator, each.expected, each.actual, each.severity, each.failed
