"""Conditions in CEL, by the implementation that blackbox_exporter and Kubernetes have in Go, in C++.

It ends an evaluation after 10,000 iterations and refuses expressions nested deeper than 32; its patterns are RE2's.
It has no limit on time or memory, though: what iterates or matches is evaluated where both are limited.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel  # type: ignore[import-untyped]  # its stubs are not marked as such

from tocsin.domain.facts import Source

MAX_EXPRESSION_LENGTH: Final = 1000
MAX_NESTED_MACROS: Final = 2

VARIABLES: Final[Mapping[str, Source]] = {
    "status": Source.STATUS,
    "headers": Source.HEADER,
    "body": Source.BODY,
    "json": Source.JSON,
    "size": Source.SIZE,
    "records": Source.RECORD,
    "latency": Source.LATENCY,
    "certificate": Source.CERTIFICATE,
    "loss": Source.LOSS,
    "roundTrip": Source.ROUND_TRIP,
}
_TYPES: Final = {
    "headers": "map<string, string>",
    "body": "string",
    "records": "list<string>",
    **dict.fromkeys(("latency", "certificate", "roundTrip"), "map<string, dyn>"),
}
# Whatever has another type would be refused beside a literal of a kin one, such as 1.5 beside 1.
_ANY: Final = "dyn"
# Texts and comments, whose content is none of the expression; `"""` before `"`, or it would end at once.
_QUOTED: Final = re.compile(
    r'[rR]?"""(?:\\.|[^\\])*?"""|'
    r"[rR]?'''(?:\\.|[^\\])*?'''|"
    r'[rR]?"(?:\\.|[^"\\\n])*"|'
    r"[rR]?'(?:\\.|[^'\\\n])*'|//[^\n]*",
    re.DOTALL,
)
_TOKEN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\S")
_LEXEME: Final = re.compile(f"{_QUOTED.pattern}|{_TOKEN.pattern}", re.DOTALL)
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
_CEL_ERROR: Final = re.compile(r"<input>:-?[0-9]+:(-?[0-9]+): ([^\n]*)")


class EvaluationError(Exception):
    """A condition has no value. The message may quote what the target sent."""


@lru_cache(maxsize=1024)
def validate_expression(expression: str, known: frozenset[Source]) -> str:
    """Return the expression unchanged. Raises ValueError; `known` are the sources whose variables it may name."""
    names = sorted(name for name, source in VARIABLES.items() if source in known)
    if _macro_depth(expression) > MAX_NESTED_MACROS:
        raise ValueError(
            f"must not nest all, exists, filter and map deeper than {MAX_NESTED_MACROS}; take simpler steps"
        )
    try:
        compiled = _environment(tuple(names)).compile(expression)
    except RuntimeError as exc:
        raise ValueError(_refusal(str(exc), names)) from exc
    if compiled.return_type().name() not in ("BOOL", "DYN"):
        raise ValueError("must be true or false; compare what it says, as in status == 200")
    for name in _header_names(expression):
        if name != name.lower():
            raise ValueError(f"must name headers in small letters: {name.lower()} in place of {name}")
    return expression


def _refusal(error: str, names: Collection[str]) -> str:
    if "recursion" in error:
        return "must not be nested deeper than 32; take simpler steps"
    found = _CEL_ERROR.search(error)
    where, what = (f" at {found[1]}", found[2].replace(" (in container '')", "")) if found else ("", error[:100])
    known = f"; known are {', '.join(names)}" if "undeclared reference" in what else ""
    figure = "; name one of its figures, as in latency.total" if "map(string, dyn)" in what else ""
    return f"must be an expression in CEL, such as status == 200{where}: {what}{known}{figure}"


@lru_cache(maxsize=64)
def _environment(names: tuple[str, ...]) -> cel.Env:
    return cel.NewEnv(variables={name: cel.Type(_TYPES.get(name, _ANY)) for name in names})


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> cel.Expression:
    return _environment(tuple(VARIABLES)).compile(expression)


@lru_cache(maxsize=1024)
def sources_of(expression: str) -> frozenset[Source]:
    """What must be known for it; rather more than less."""
    return frozenset(VARIABLES[name] for name in _tokens(expression) if name in VARIABLES)


@lru_cache(maxsize=1024)
def is_linear(expression: str) -> bool:
    """Whether its time and memory are in proportion to what it is evaluated on; adding up lists is not."""
    return not {*_MACROS, "matches", "+"} & set(_tokens(expression))


def holds(expression: str, variables: Mapping[str, Any]) -> bool:
    """Evaluate a condition. Raises EvaluationError where it has no value, or none that is true or false."""
    try:
        value = _compiled(expression).eval(data=variables)
    except RuntimeError as exc:
        raise EvaluationError(_reason(str(exc))) from exc
    if value.type().name() == "ERROR":
        raise EvaluationError(_reason(str(value.value())))
    if not isinstance(found := value.plain_value(), bool):
        raise EvaluationError("neither true nor false")
    return found


def _reason(error: str) -> str:
    if "Iteration budget" in error:
        return "it iterates more than 10,000 times"
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", error)


def _tokens(expression: str) -> Iterator[str]:
    return (match[0] for match in _TOKEN.finditer(_QUOTED.sub("''", expression)))


def _header_names(expression: str) -> Iterator[str]:
    """The names that stand behind `headers`, or before `in headers`; texts in their quotes."""
    lexemes = [each for each in _LEXEME.findall(expression) if not each.startswith("//")]
    for before, first, second, third in zip(["", *lexemes], lexemes, lexemes[1:], lexemes[2:], strict=False):
        if (second, third) == ("in", "headers") and _is_quoted(first):
            yield first
        elif first == "headers" and before != "." and (second == "." or (second == "[" and _is_quoted(third))):
            yield third


def _is_quoted(lexeme: str) -> bool:
    return lexeme[0] in "'\""


def _macro_depth(expression: str) -> int:
    """How many macros stand within one another at most; each multiplies what the others cost."""
    deepest = 0
    opened: list[bool] = []
    before = ""
    for each in _tokens(expression):
        if each == "(":
            opened.append(before in _MACROS)
            deepest = max(deepest, sum(opened))
        elif each == ")" and opened:
            opened.pop()
        before = each
    return deepest
