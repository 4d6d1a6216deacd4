"""What is worth keeping of what a probe saw: enough to see why it failed, bounded, and text that any store takes.

All is redacted of secrets before it is cut, for half a secret would not be found.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from tocsin.domain.evidence import Attempt, Evidence, JudgedAssertion, assertion_fields, attempt_fields
from tocsin.domain.evidence_texts import bounded, encoded_size, excerpt, masked_header, printable
from tocsin.domain.facts import Facts, Source

# In bytes of JSON, together less than 8 KiB.
_ATTEMPTS_BYTES: Final = 1500
ASSERTIONS_BYTES: Final = 1800
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


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes secrets out of a text. No form of one that it looks for is longer than so many characters."""

    apply: Callable[[str], str] = str
    longest: int = 0

    def excerpt(self, text: str, most: int) -> str:
        """The beginning without secrets, in at most so many bytes of JSON."""
        return excerpt(text, most, self.apply, self.longest)


def keep(
    facts: Facts,
    assertions: Iterable[JudgedAssertion],
    attempts: Sequence[Attempt],
    redactor: Redactor,
    tls: tuple[str | None, bool | None] = (None, None),
    assertions_bytes: int = ASSERTIONS_BYTES,
) -> Evidence | None:
    """The evidence; None where it would say nothing."""
    body = _content(facts)
    kept = Evidence(
        attempts=tuple(_within(_ATTEMPTS_BYTES, map(_bounded_attempt, attempts), attempt_fields)),
        assertions=tuple(_within(assertions_bytes, _bounded_assertions(assertions, redactor), assertion_fields)),
        headers=tuple(_within(_HEADERS_BYTES, _bounded_headers(facts.get(Source.HEADER) or (), redactor))),
        facts=tuple(_within(_FACTS_BYTES, _bounded_facts(facts, redactor))),
        body_excerpt=(redactor.excerpt(body, EXCERPT_BYTES) or None) if body else None,
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
        return None if text is None else redactor.excerpt(text, _MESSAGE_BYTES)

    for each in assertions:
        expected, actual = told(each.expected), told(each.actual)
        yield JudgedAssertion(each.source, told(each.path), each.operator, expected, actual, each.severity, each.failed)


def _bounded_headers(headers: Iterable[tuple[str, str]], redactor: Redactor) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        told = masked_header(name, redactor.excerpt(value, _VALUE_BYTES))
        yield redactor.excerpt(name, _MESSAGE_BYTES), bounded(told, _VALUE_BYTES)


def _bounded_facts(facts: Facts, redactor: Redactor) -> Iterator[tuple[Source, str]]:
    for source in _KEPT_FACTS:
        if source in facts:
            text = json.dumps(_short_parts_first(facts[source]), ensure_ascii=False, default=str)
            yield source, redactor.excerpt(text, _FACTS_BYTES // 2)


def _short_parts_first(fact: object) -> object:
    """So that a certificate of many names does not hide who issued it."""
    if isinstance(fact, Mapping):
        return dict(sorted(fact.items(), key=lambda part: isinstance(part[1], list | tuple)))
    return fact


def _content(facts: Facts) -> str:
    """The body; of a kind that has none, such as a query's rows, what was read of it."""
    if Source.BODY in facts or Source.JSON not in facts:
        return facts.get(Source.BODY) or ""
    return json.dumps(facts[Source.JSON], ensure_ascii=False, default=str)
