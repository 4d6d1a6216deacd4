"""How a value that was seen is compared with the text that an assertion gives."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, Final, TypeAlias

import orjson

from tocsin.domain.patterns import compile_pattern

Number: TypeAlias = int | float

_LONGEST_NUMBER: Final = 40


class AssertionOperator(StrEnum):
    """How what was seen is compared with the value."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    LESS = "LESS"
    LESS_OR_EQUAL = "LESS_OR_EQUAL"
    GREATER = "GREATER"
    GREATER_OR_EQUAL = "GREATER_OR_EQUAL"
    CONTAINS = "CONTAINS"
    NOT_CONTAINS = "NOT_CONTAINS"
    STARTS_WITH = "STARTS_WITH"
    ENDS_WITH = "ENDS_WITH"
    MATCHES = "MATCHES"
    NOT_MATCHES = "NOT_MATCHES"
    EXISTS = "EXISTS"
    NOT_EXISTS = "NOT_EXISTS"
    MATCHES_SCHEMA = "MATCHES_SCHEMA"


def is_fulfilled(operator: AssertionOperator, actual: object, value: str) -> bool:
    """Whether a value that was seen is as it should be; a schema is compared with elsewhere."""
    if operator in _NEGATED:
        return not _TESTS[_NEGATED[operator]](actual, value)
    return _TESTS[operator](actual, value)


def as_number(value: object) -> Number | None:
    """A number, or the one that a text is, as JSON writes it; None for anything else."""
    if isinstance(value, str):
        value = _read_json(value) if len(value) <= _LONGEST_NUMBER else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _read_json(text: str) -> Any:  # noqa: ANN401 - any JSON
    """What the text is as JSON; the text itself where it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


# Only for what definitions give: what targets send may be large, and never come again.
_read_value: Final = lru_cache(maxsize=256)(_read_json)


def _equals(actual: object, value: str) -> bool:
    return actual == value if isinstance(actual, str) else _is_same_json(actual, _read_value(value))


def _is_same_json(one: object, other: object) -> bool:
    """As JSON has it: 1 is 1.0 and not true. Without recursion, as both may be nested deep."""
    pending = [(one, other)]
    while pending:
        left, right = pending.pop()
        if isinstance(left, Mapping) and isinstance(right, Mapping) and left.keys() == right.keys():
            pending += ((left[key], right[key]) for key in left)
        elif isinstance(left, list | tuple) and isinstance(right, list | tuple) and len(left) == len(right):
            pending += zip(left, right, strict=True)
        elif isinstance(left, bool) is not isinstance(right, bool) or not _is_same_scalar(left, right):
            return False
    return True


def _is_same_scalar(left: object, right: object) -> bool:
    return not isinstance(left, Mapping | list | tuple) and left == right


def _is_ordered(compare: Callable[[Number, Number], bool]) -> Callable[[object, str], bool]:
    def test(actual: object, value: str) -> bool:
        seen, bound = as_number(actual), as_number(value)
        return seen is not None and bound is not None and compare(seen, bound)

    return test


def _contains(actual: object, value: str) -> bool:
    if isinstance(actual, list | tuple):
        return any(_equals(item, value) for item in actual)
    return value in actual if isinstance(actual, str) else False


def _in_a_text(test: Callable[[str, str], bool]) -> Callable[[object, str], bool]:
    return lambda actual, value: any(test(text, value) for text in _texts(actual))


def _texts(actual: object) -> Iterator[str]:
    """A text, or a number as JSON writes it; of a list, those of its items."""
    for item in actual if isinstance(actual, list | tuple) else (actual,):
        if isinstance(item, str):
            yield item
        elif isinstance(item, int | float):
            yield orjson.dumps(item).decode()


def _matches(text: str, pattern: str) -> bool:
    return compile_pattern(pattern).search(text.encode("utf-8", "replace")) is not None


_Test: TypeAlias = Callable[[object, str], bool]
_TESTS: Final[Mapping[AssertionOperator, _Test]] = {
    AssertionOperator.EQUALS: _equals,
    AssertionOperator.LESS: _is_ordered(lt),
    AssertionOperator.LESS_OR_EQUAL: _is_ordered(le),
    AssertionOperator.GREATER: _is_ordered(gt),
    AssertionOperator.GREATER_OR_EQUAL: _is_ordered(ge),
    AssertionOperator.CONTAINS: _contains,
    AssertionOperator.STARTS_WITH: _in_a_text(str.startswith),
    AssertionOperator.ENDS_WITH: _in_a_text(str.endswith),
    AssertionOperator.MATCHES: _in_a_text(_matches),
    AssertionOperator.EXISTS: lambda _actual, _value: True,
}
_NEGATED: Final = {
    AssertionOperator.NOT_EQUALS: AssertionOperator.EQUALS,
    AssertionOperator.NOT_CONTAINS: AssertionOperator.CONTAINS,
    AssertionOperator.NOT_MATCHES: AssertionOperator.MATCHES,
    AssertionOperator.NOT_EXISTS: AssertionOperator.EXISTS,
}
