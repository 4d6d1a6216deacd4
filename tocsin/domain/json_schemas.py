"""JSON Schema, of which nothing outside of the schema is read, and whose patterns take linear time.

Where a schema is defined it is only read, not compiled: 22 levels of `unevaluatedProperties` within `anyOf`, which fit
into 2 KB, take the compiler minutes, and 450 patterns in 12 KB seven seconds and 400 MiB.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, cast

import jsonschema_rs
import orjson

from tocsin.domain.patterns import compile_pattern

MAX_SCHEMA_LENGTH: Final = 16_384
_MAX_PATTERNS: Final = 50
_MAX_DEPTH: Final = 100
# The library would fetch any other, even to tell whether it is a schema.
_DIALECTS: Final = frozenset(
    {
        *(f"http://json-schema.org/draft-0{number}/schema" for number in (4, 6, 7)),
        *(f"https://json-schema.org/draft/{name}/schema" for name in ("2019-09", "2020-12")),
    }
)
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_MAX_BYTES: Final = 1024 * 1024
_PATTERNS: Final = jsonschema_rs.RegexOptions(size_limit=_MAX_BYTES, dfa_size_limit=_MAX_BYTES)


@lru_cache(maxsize=256)
def validate_schema(schema: str) -> None:
    """Raises ValueError for what is no JSON Schema, refers to what is not in it, or holds a pattern that is none."""
    read = _read(schema)
    if isinstance(read, Mapping) and str(read.get("$schema", "")).rstrip("#") not in {"", *_DIALECTS}:
        raise ValueError(f"must be a JSON Schema whose $schema is one of {', '.join(sorted(_DIALECTS))}, or absent")
    nodes = list(_nodes(read))
    try:
        jsonschema_rs.meta.validate(read)
    except jsonschema_rs.ValidationError as exc:
        raise ValueError(f"must be a JSON Schema: at {_pointer(exc.instance_path)}: {exc.message}") from exc
    if any(not str(node.get(name, "#")).startswith("#") for node in nodes for name in _REFERENCES):
        raise ValueError("must be a JSON Schema that refers to its own parts alone, as in #/$defs/name")
    _validate_patterns([pattern for node in nodes for pattern in _patterns(node)])


def _read(schema: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return orjson.loads(schema)
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"must be a JSON Schema, in JSON: {exc}") from exc


def _nodes(read: object) -> Iterator[Mapping[str, Any]]:
    """All objects in it, also those that are no schemas. Raises ValueError for what is nested too deep."""
    pending = [(read, 0)]
    while pending:
        each, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f"must be a JSON Schema that is not nested deeper than {_MAX_DEPTH}")
        if isinstance(each, Mapping):
            yield each
        inner = each.values() if isinstance(each, Mapping) else each if isinstance(each, list) else ()
        pending += ((item, depth + 1) for item in inner)


def _patterns(node: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(pattern := node.get("pattern"), str):
        yield pattern
    if isinstance(by_pattern := node.get("patternProperties"), Mapping):
        yield from by_pattern


def _validate_patterns(patterns: list[str]) -> None:
    if len(patterns) > _MAX_PATTERNS:
        raise ValueError(f"must be a JSON Schema with at most {_MAX_PATTERNS} patterns")
    for pattern in patterns:
        try:
            compile_pattern(pattern)
        except ValueError as exc:
            raise ValueError(f"must be a JSON Schema whose patterns are RE2's; {pattern[:50]!r} {exc}") from exc


@lru_cache(maxsize=64)
def _compile(schema: str) -> Any:  # noqa: ANN401 - the library's validators have no common type
    read = orjson.loads(schema)
    return jsonschema_rs.validator_for(read, offline=True, pattern_options=_PATTERNS, mask="value")


def mismatch(schema: str, document: object) -> tuple[object, str] | None:
    """What of a document differs from the schema first, and where and how; None where nothing does.

    It may take any time and memory.
    """
    try:
        compiled = _compile(schema)
    except (ValueError, jsonschema_rs.ReferencingError) as exc:
        return None, f"where the schema cannot be used: {exc}"
    try:
        compiled.validate(document)
    except jsonschema_rs.ValidationError as exc:
        return exc.instance, f"at {_pointer(exc.instance_path)}: {exc.message}"
    except ValueError as exc:  # It is nested deeper than 255 levels.
        return None, f"where it cannot be judged: {exc}"
    return None


def _pointer(path: object) -> str:
    return "".join(f"/{step}" for step in cast("list[str | int]", path)) or "the top"
