"""JSONPath, as assertions use it."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.json_paths import compile_path, is_singular, select

BOOKS: dict[str, Any] = {"books": [{"title": "A", "price": 5}, {"title": "B\nC", "price": 15}], "a b": {"": 1}}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$", [BOOKS]),
        ("$.books[*].title", ["A", "B\nC"]),
        ("$..price", [5, 15]),
        ("$['a b']['']", [1]),
        ("$.books[-1:].price", [15]),
        ("$.books[?@.price < 10].title", ["A"]),
        ("$.books[?length(@.title) == 3].price", [15]),
        ("$.books[?match(@.title, '[A-Z]')].price", [5]),
        ("$.books[?search(@.title, 'C')].price", [15]),
        ("$.books[?match(@.title, 'B.C')].price", []),
        ("$.books[?match(@.title, '(')].price", []),
        ("$.books[?count(@.*) == 2].price", [5, 15]),
        ("$.nothing", []),
        ("$.books.price", []),
    ],
)
def test_a_path_leads_to_values(path: str, values: list[Any]) -> None:
    assert select(path, BOOKS) == values


@pytest.mark.parametrize(
    "path", ["a", "$.", "$..", "$[", "$ ", " $", "$.a | $.b", "$.~a", "$[?@.a in [1]]", "^", "$[9007199254740992]"]
)
def test_what_rfc_9535_does_not_know_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"must be a JSONPath as RFC 9535 has it"):
        compile_path(path)


@pytest.mark.parametrize(
    "path", [f"$[?{'!' * 400}@.a]", f"$[?{'(' * 400}@.a{')' * 400}]", "$" + "[?@" * 120 + "]" * 120]
)
def test_a_path_that_is_nested_deep_breaks_nothing(path: str) -> None:
    with suppress(ValueError):
        compile_path(path)


def test_patterns_in_a_path_take_linear_time() -> None:
    assert select("$[?search(@, '(a|a)*(a|a)*$')]", ["a" * 5000 + "!"]) != []
    assert select("$[?match(@, '(a+)+')]", ["a" * 5000 + "!"]) == []


@pytest.mark.parametrize(("document", "values"), [("text", ["text"]), ("[1]", ["[1]"]), (5, [5]), (None, [None])])
def test_a_document_may_be_a_single_value(document: object, values: list[object]) -> None:
    assert select("$", document) == values
    assert select("$.a", document) == []


def test_what_is_nested_too_deep_to_be_searched_is_told() -> None:
    nested = json.loads("[" * 200 + "]" * 200)
    with pytest.raises(ValueError, match="nested too deep"):
        select("$..a", nested)


@pytest.mark.parametrize(
    ("path", "singular"), [("$.a[0]['b']", True), ("$", True), ("$.*", False), ("$..a", False), ("$[0, 1]", False)]
)
def test_a_path_by_names_and_indexes_leads_to_one_value(path: str, singular: bool) -> None:
    assert is_singular(path) is singular


_PIECES = st.sampled_from([*"$@.*[]?(),:!<'\"\\ a0ä", "..", "'a'", "-1", "&&", "==", "match(", "length("])
_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=10,
)


@given(pieces=st.lists(_PIECES, max_size=20), document=_DOCUMENTS)
def test_whatever_is_written_is_refused_or_leads_somewhere(pieces: list[str], document: object) -> None:
    path = "".join(["$", *pieces])
    try:
        compile_path(path)
    except ValueError:
        return
    assert isinstance(select(path, document), list)
