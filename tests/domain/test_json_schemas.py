"""JSON Schema, as assertions use it."""

import json
import time
from typing import Any

import pytest

from tocsin.domain.json_schemas import mismatch, validate_schema


def chain(levels: int) -> str:
    """What takes a compiler 2^levels steps."""
    names = [f"n{level}" for level in range(levels)]
    links = [{"$ref": f"#/$defs/{name}"} for name in (*names[1:], "end")]
    within = {
        name: {"unevaluatedProperties": False, "anyOf": [link, link]} for name, link in zip(names, links, strict=True)
    }
    return json.dumps({"$defs": {**within, "end": {}}, "$ref": "#/$defs/n0"})


@pytest.mark.parametrize(
    ("schema", "document", "found"),
    [
        ({"required": ["a"]}, {"a": 1}, None),
        ({"required": ["a"]}, {"b": 1}, ({"b": 1}, 'at the top: "a" is a required property')),
        ({"items": {"type": "integer"}}, [1, "x"], ("x", 'at /1: value is not of type "integer"')),
        ({"pattern": "^a+$"}, "aab", ("aab", 'at the top: value does not match "^a+$"')),
        ({"$defs": {"a": {"const": 1}}, "$ref": "#/$defs/a"}, 2, (2, "at the top: 1 was expected")),
        ({"$ref": "#"}, 1, None),
        (True, 1, None),
        (False, 1, (1, "at the top: False schema does not allow value")),
    ],
)
def test_a_document_is_compared_with_a_schema(schema: Any, document: object, found: object) -> None:
    text = json.dumps(schema)
    validate_schema(text)
    assert mismatch(text, document) == found


@pytest.mark.parametrize(
    ("schema", "remedy"),
    [
        ("{", "in JSON: "),
        ("5", "at the top"),
        ('{"type": "no"}', "at /type"),
        ('{"items": {"minimum": "a"}}', "at /items/minimum"),
        ('{"$ref": "http://127.0.0.1:1/"}', "refers to its own parts alone"),
        ('{"items": {"$ref": "file:///etc/passwd"}}', "refers to its own parts alone"),
        ('{"$schema": "http://127.0.0.1:1/"}', "whose $schema is one of"),
        ('{"pattern": "(?=a)"}', "whose patterns are RE2's; '(?=a)' must be a pattern of RE2"),
        ('{"patternProperties": {"(": {}}}', "whose patterns are RE2's"),
        (json.dumps({"allOf": [{"pattern": str(number)} for number in range(51)]}), "at most 50 patterns"),
        ('{"not":' * 101 + "{}" + "}" * 101, "not nested deeper than 100"),
    ],
)
def test_what_is_no_schema_is_refused(schema: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="must be a JSON Schema") as refused:
        validate_schema(schema)
    assert remedy in str(refused.value)


@pytest.mark.parametrize(
    "schema", [chain(60), json.dumps({"enum": list(range(3000))}), '{"not":' * 100 + "{}" + "}" * 100]
)
def test_reading_a_schema_takes_no_time(schema: str) -> None:
    began_at = time.process_time()
    validate_schema(schema)
    assert time.process_time() - began_at < 1


def test_patterns_take_linear_time() -> None:
    assert mismatch('{"pattern": "^(a|a)*(a|a)*$"}', "a" * 50_000 + "!") is not None


def test_a_document_that_is_nested_deep_is_not_judged() -> None:
    found = mismatch('{"const": 1}', json.loads("[" * 900 + "]" * 900))
    assert found == (None, "where it cannot be judged: Recursion limit reached")
