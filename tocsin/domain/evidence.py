"""What is kept of a probe beside its result, and how it is stored: `evidence_keeping` makes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.domain.facts import Source
from tocsin.domain.observations import Outcome, Reason

_SOURCES: Final = frozenset(source.value for source in Source)
_REASONS: Final = frozenset(reason.value for reason in Reason)
_MICROSECOND: Final = timedelta(microseconds=1)


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


def to_json(evidence: Evidence) -> str:
    """As it is stored; what is not there takes no room."""
    fields = {
        "attempts": [attempt_fields(attempt) for attempt in evidence.attempts],
        "assertions": [assertion_fields(assertion) for assertion in evidence.assertions],
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


def attempt_fields(attempt: Attempt) -> tuple[str, int, Outcome, Reason | None, str | None]:
    duration_us = attempt.duration // _MICROSECOND
    return attempt.started_at.isoformat(), duration_us, attempt.outcome, attempt.reason, attempt.message


def _attempt(started_at: str, duration_us: int, outcome: str, reason: str | None, message: str | None) -> Attempt:
    known = Reason(reason) if reason in _REASONS else None
    return Attempt(datetime.fromisoformat(started_at), duration_us * _MICROSECOND, Outcome(outcome), known, message)


def assertion_fields(each: JudgedAssertion) -> tuple[object, ...]:
    return each.source, each.path, each.operator, each.expected, each.actual, each.severity, each.failed
