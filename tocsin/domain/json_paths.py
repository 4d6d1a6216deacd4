"""JSONPath as RFC 9535 has it, with patterns that take time in proportion to the text.

The library's own `match` and `search` backtrack: 28 characters held one up for minutes.
"""

from functools import lru_cache
from typing import Any, Final, cast

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError
from jsonpath.function_extensions import ExpressionType, FilterFunction

from tocsin.domain.patterns import compile_pattern

MAX_PATH_LENGTH: Final = 500
NO_PATH_MESSAGE: Final = "must be a JSONPath as RFC 9535 has it, such as $.status or $['a b'][0]"
# What RFC 9485 lets a dot stand for; everything else of its patterns RE2 reads as it does.
_DOT: Final = "[^\n\r]"


class _Pattern(FilterFunction):
    """`match` and `search`. A pattern that is none matches nothing, as the RFC has it."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - the library's own form
    return_type = ExpressionType.LOGICAL

    def __init__(self, frame: str) -> None:
        self._frame = frame

    def __call__(self, text: object, pattern: object) -> bool:
        if not isinstance(text, str) or not isinstance(pattern, str):
            return False
        try:
            compiled = compile_pattern(self._frame.format(_with_dots(pattern)))
        except ValueError:
            return False
        return compiled.search(text.encode("utf-8", "replace")) is not None


class _Environment(JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = _Pattern("^(?:{})$")
        self.function_extensions["search"] = _Pattern("{}")


_environment: Final = _Environment(strict=True)


@lru_cache(maxsize=1024)
def compile_path(path: str) -> JSONPath:
    """Raises ValueError for what is no JSONPath."""
    if not path.startswith("$"):
        raise ValueError(f"{NO_PATH_MESSAGE}: it must begin with $")
    try:
        return cast("JSONPath", _environment.compile(path))
    except JSONPathError as exc:
        reason = str(exc).partition("\n")[0]
        raise ValueError(f"{NO_PATH_MESSAGE}: {reason}") from exc


def is_singular(path: str) -> bool:
    """Whether it leads to one value at most, by names and indexes alone."""
    return compile_path(path).singular_query()


def select(path: str, document: object) -> list[Any]:
    """The values that the path leads to. Raises ValueError where the document is nested deeper than 100 levels."""
    compiled = compile_path(path)
    if isinstance(document, str):  # The library would read a text as JSON.
        return [] if compiled.segments else [document]
    try:
        return compiled.findall(cast("Any", document))
    except JSONPathError as exc:
        raise ValueError("it is nested too deep for this path") from exc


def _with_dots(pattern: str) -> str:
    """The pattern, with what a dot outside of brackets stands for."""
    parts: list[str] = []
    escaped = in_class = False
    for character in pattern:
        parts.append(_DOT if character == "." and not (escaped or in_class) else character)
        if not escaped and character in "[]":
            in_class = character == "["
        escaped = character == "\\" and not escaped
    return "".join(parts)
