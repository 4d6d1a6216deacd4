"""What a model refuses is told in our words, by field, and without the value."""

from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.domain.targets import parse_target, target_problems

URL = {"url": "https://example.com/"}


def refusals(kind: str, fields: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        parse_target(kind, fields)
    return {".".join(map(str, each.path[2:])): each.message for each in target_problems(kind, refused.value)}


@pytest.mark.parametrize(
    ("kind", "fields", "field", "message"),
    [
        ("http", {}, "url", "is missing"),
        ("http", {**URL, "nonsense": 1}, "nonsense", "is no field here; leave it out"),
        ("http", {**URL, "headers": "x"}, "headers", "must be a list"),
        ("http", {**URL, "method": "BREW"}, "method", "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("http", {**URL, "follow_redirects": "x"}, "follow_redirects", "must be true or false"),
        ("http", {**URL, "maximum_body_bytes": 10_485_761}, "maximum_body_bytes", "must be at most 10485760"),
        ("tcp", {"host": "a", "port": 65_536}, "port", "must be at most 65535"),
        ("tcp", {"host": "a", "port": 0}, "port", "must be at least 1"),
        ("tcp", {"host": "a", "port": "x"}, "port", "must be a whole number"),
        ("redis", {"host": "a" * 300}, "host", "must have at most 253 characters"),
        ("graphql", {**URL, "query": ""}, "query", "must not be empty"),
        (
            "http",
            {**URL, "headers": [{"name": "X-Key"}]},
            "headers.0.value",
            "is missing; give it, or name a secret in valueSecret",
        ),
    ],
)
def test_a_limit_is_told_in_our_words(kind: str, fields: dict[str, Any], field: str, message: str) -> None:
    assert refusals(kind, fields)[field] == message


@pytest.mark.parametrize("value", [{"s3cret": "s3cret"}, ["s3cret"], "s3cret" * 2000])
def test_no_refusal_repeats_the_value(value: object) -> None:
    told = refusals("http", {**URL, "headers": [{"name": "X-Key", "value": value}]})
    assert "s3cret" not in str(told)
