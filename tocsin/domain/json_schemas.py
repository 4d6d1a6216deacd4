"""JSON Schema, of which nothing outside of the schema is read, and whose patterns take linear time."""

from functools import lru_cache
from typing import Any, Final, cast

import jsonschema_rs
import orjson

MAX_SCHEMA_LENGTH: Final = 16_384
_MAX_BYTES: Final = 1024 * 1024
_PATTERNS: Final = jsonschema_rs.RegexOptions(size_limit=_MAX_BYTES, dfa_size_limit=_MAX_BYTES)


@lru_cache(maxsize=256)
def compile_schema(schema: str) -> Any:  # noqa: ANN401 - the library's validators have no common type
    """Raises ValueError for what is no JSON Schema, or refers to what is not in it."""
    try:
        read = orjson.loads(schema)
        return jsonschema_rs.validator_for(read, offline=True, pattern_options=_PATTERNS, mask="value")
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"must be a JSON Schema, in JSON: {exc}") from exc
    except jsonschema_rs.ValidationError as exc:
        raise ValueError(f"must be a JSON Schema: at {_pointer(exc.instance_path)}: {exc.message}") from exc
    except (ValueError, jsonschema_rs.ReferencingError) as exc:
        raise ValueError(f"must be a JSON Schema that refers to nothing outside of it: {exc}") from exc


def mismatch(schema: str, document: object) -> tuple[object, str] | None:
    """What of a document differs from the schema first, and where and how; None where nothing does."""
    try:
        compile_schema(schema).validate(document)
    except jsonschema_rs.ValidationError as exc:
        return exc.instance, f"at {_pointer(exc.instance_path)}: {exc.message}"
    except ValueError as exc:  # It is nested deeper than 255 levels.
        return None, f"where it cannot be judged: {exc}"
    return None


def _pointer(path: object) -> str:
    return "".join(f"/{step}" for step in cast("list[str | int]", path)) or "the top"
