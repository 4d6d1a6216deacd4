r"""Patterns that users write: RE2's, which take time in proportion to the text, whatever the pattern.

They are searched for in bytes of UTF-8; bytes that are none are matched by `\C` alone. A hostile text costs 1.5 us for
each of its bytes at worst, so that whoever searches gives a few KiB.
"""

from functools import lru_cache
from typing import Annotated, Final, Protocol, cast

import re2  # type: ignore[import-untyped]  # it comes without types
from pydantic import AfterValidator, Field

MAX_PATTERN_LENGTH: Final = 500
_MAX_INSTRUCTIONS: Final = 4000
_MAX_BYTES: Final = 1024 * 1024
_UNKNOWN: Final = (
    "must be a pattern of RE2, such as ^220 .*ready; it knows no back-references and no look-around, "
    "and no repetition above 1000"
)
_TOO_LARGE: Final = "is too large a pattern; repeat less, and name fewer classes of characters such as \\pL"


class Found(Protocol):
    """What is used of a match."""

    def end(self) -> int: ...


class Pattern(Protocol):
    """What is used of a compiled pattern."""

    programsize: int

    def search(self, text: bytes) -> "Found | None": ...


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern:
    """Raises ValueError for what RE2 does not know, or what is too large."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_BYTES
    try:
        compiled = cast("Pattern", re2.compile(pattern.encode(), options=options))
    except (re2.error, UnicodeEncodeError) as exc:
        raise ValueError(_TOO_LARGE if "too large" in str(exc) else _UNKNOWN) from exc
    if compiled.programsize > _MAX_INSTRUCTIONS:
        raise ValueError(_TOO_LARGE)
    return compiled


def validate_pattern(pattern: str) -> str:
    """Return the pattern unchanged. Raises ValueError."""
    compile_pattern(pattern)
    return pattern


PatternText = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_LENGTH), AfterValidator(validate_pattern)]
