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
_FACT_BYTES: Final = _FACTS_BYTES // 2
# So that four of a certificate's fit.
_PART_BYTES: Final = 80
# A certificate has more parts than fit: these say what is wrong with it.
_FIRST_PARTS: Final = ("days", "problem", "issuer", "names", "staple", "self_signed", "protocol")
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
            fact = facts[source]
            if isinstance(fact, Mapping):
                yield source, _bounded_parts(fact, redactor)
            else:
                text = json.dumps(fact, ensure_ascii=False, default=str)
                yield source, redactor.excerpt(text, _FACT_BYTES)


def _bounded_parts(fact: Mapping[str, Any], redactor: Redactor) -> str:
    """JSON of as many whole parts as fit, the most telling first; a long one is shortened itself."""
    told = "{}"
    kept: dict[str, object] = {}
    for name in sorted(fact, key=lambda name: _FIRST_PARTS.index(name) if name in _FIRST_PARTS else len(_FIRST_PARTS)):
        part = _bounded_part(fact[name], redactor)
        text = json.dumps({**kept, name: part}, ensure_ascii=False)
        if encoded_size(text) <= _FACT_BYTES:
            told, kept[name] = text, part
    return told


def _bounded_part(part: object, redactor: Redactor) -> object:
    if isinstance(part, str):
        return redactor.excerpt(part, _PART_BYTES)
    if isinstance(part, list | tuple):
        # The first always fits.
        return list(_within(_PART_BYTES + 2, (_bounded_part(each, redactor) for each in part), lambda each: each))
    text = json.dumps(part, ensure_ascii=False, default=str)
    told = redactor.excerpt(text, _PART_BYTES)
    return part if told == text else told


def _content(facts: Facts) -> str:
    """The body; of a kind that has none, such as a query's rows, what was read of it."""
    if Source.BODY in facts or Source.JSON not in facts:
        return facts.get(Source.BODY) or ""
    return json.dumps(facts[Source.JSON], ensure_ascii=False, default=str)
