"""What assertions and conditions find in the facts of a probe."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from tocsin.domain.expressions import VARIABLES
from tocsin.domain.facts import Facts, Source
from tocsin.domain.json_paths import select

_Find: TypeAlias = Callable[[Any, str | None], Sequence[Any]]


class NoValueError(Exception):
    """There can be no value, and the message says why; it quotes nothing that the target sent."""


def values_of(facts: Facts, source: Source, path: str | None) -> Sequence[Any]:
    """The values that a path leads to, of which there may be none. Raises NoValueError."""
    if source is Source.JSON:
        return _select(_document(facts), path or "$")
    if facts.get(source) is None:
        return ()
    find = _FINDERS.get(source)
    return find(facts[source], path) if find else (facts[source],)


def variables(facts: Facts, wanted: frozenset[Source]) -> dict[str, Any]:
    """What conditions call by name. What was not seen is left out. Raises NoValueError."""
    return {name: _variable(facts, source) for name, source in VARIABLES.items() if source in wanted & facts.keys()}


def _variable(facts: Facts, source: Source) -> Any:  # noqa: ANN401 - any fact
    if source is Source.JSON:
        return _document(facts)
    if source is Source.HEADER:
        return headers_by_name(facts[source])
    return list(facts[source]) if source is Source.RECORD else facts[source]


def with_document(facts: Facts) -> Facts:
    """The facts, and the content as JSON where it was not noted, so that it is read once for all that ask."""
    if Source.JSON in facts or facts.get(Source.BODY) is None:
        return facts
    try:
        return {**facts, Source.JSON: orjson.loads(facts[Source.BODY])}
    except orjson.JSONDecodeError as exc:
        return {**facts, Source.JSON: NoValueError(f"the content is no JSON: {exc}")}


def _document(facts: Facts) -> Any:  # noqa: ANN401 - any JSON
    document = facts.get(Source.JSON, _NO_CONTENT)
    if isinstance(document, NoValueError):
        raise document
    return document


def headers_by_name(headers: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """By names in small letters; a header that comes again adds to the first, as RFC 9110 has it."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def _select(document: object, path: str) -> Sequence[Any]:
    try:
        return select(path, document)
    except ValueError as exc:
        raise NoValueError(str(exc)) from exc


def _header(headers: Sequence[tuple[str, str]], path: str | None) -> Sequence[Any]:
    name = (path or "").lower()
    values = [value for each, value in headers if each.lower() == name]
    return (", ".join(values),) if values else ()


def _records(records: Sequence[str], _: str | None) -> Sequence[Any]:
    return (records,) if records else ()


def _part(default: str) -> _Find:
    def find(parts: Mapping[str, Any], path: str | None) -> Sequence[Any]:
        value = parts.get(path or default)
        return () if value is None else (value,)

    return find


_NO_CONTENT: Final = NoValueError("there is no content")
_FINDERS: Final[Mapping[Source, _Find]] = {
    Source.HEADER: _header,
    Source.RECORD: _records,
    Source.LATENCY: _part("total"),
    Source.CERTIFICATE: _part("days"),
    Source.ROUND_TRIP: _part("mean"),
}
