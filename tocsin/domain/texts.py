"""What people may write: names, descriptions, comments and labels."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from tocsin.domain.errors import FieldProblem

MAXIMUM_NAME_LENGTH: Final = 100
MAXIMUM_DESCRIPTION_LENGTH: Final = 500
MAXIMUM_COMMENT_LENGTH: Final = 2000
MAXIMUM_LABELS: Final = 50
MAXIMUM_KEY_LENGTH: Final = 200
# Control characters, lone surrogates, and separators of lines and paragraphs.
_NOT_IN_A_LINE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BREAKS: Final = frozenset("\n\r\t")
_LABEL_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")


def validate_name(name: str) -> str:
    """Return the name without space around it. Raises ValueError."""
    name = name.strip()
    if not 1 <= len(name) <= MAXIMUM_NAME_LENGTH:
        raise ValueError(f"must have 1 to {MAXIMUM_NAME_LENGTH} characters, not counting space around it")
    return _without_control(name)


def validate_description(description: str) -> str:
    """Return the description without space around it; it may have several lines. Raises ValueError."""
    return _lines(description, 0, MAXIMUM_DESCRIPTION_LENGTH)


def validate_comment(comment: str) -> str:
    """Return the comment without space around it; it may have several lines. Raises ValueError."""
    return _lines(comment, 1, MAXIMUM_COMMENT_LENGTH)


def validate_key(key: str) -> str:
    """Return what a client calls its request. Raises ValueError."""
    if not 1 <= len(key) <= MAXIMUM_KEY_LENGTH:
        raise ValueError(f"must have 1 to {MAXIMUM_KEY_LENGTH} characters")
    return _without_control(key)


def _lines(text: str, shortest: int, longest: int) -> str:
    text = text.strip()
    if not shortest <= len(text) <= longest:
        raise ValueError(f"must have {shortest} to {longest} characters, not counting space around it")
    return _without_control(text, _BREAKS)


def _without_control(text: str, allowed: frozenset[str] = frozenset()) -> str:
    if any(unicodedata.category(character) in _NOT_IN_A_LINE and character not in allowed for character in text):
        raise ValueError("must not contain control characters; leave them out")
    return text


def read_labels(labels: Sequence[tuple[str, str]], problems: list[FieldProblem]) -> dict[str, str]:
    """The labels by name, as Kubernetes writes them; what is wrong is added to the problems."""
    if len(labels) > MAXIMUM_LABELS:
        problems.append(FieldProblem(("labels",), f"must be at most {MAXIMUM_LABELS}"))
        return {}
    read: dict[str, str] = {}
    for index, (name, value) in enumerate(labels):
        if not _is_label_name(name):
            problems.append(FieldProblem(("labels", index, "name"), _NAME_REMEDY))
        elif name in read:
            problems.append(FieldProblem(("labels", index, "name"), "is there twice; keep one of them"))
        if value and not _LABEL_PART.fullmatch(value):
            problems.append(FieldProblem(("labels", index, "value"), _VALUE_REMEDY))
        read[name] = value
    return read


_VALUE_REMEDY: Final = "must be empty, or up to 63 letters, digits and -_. that begin and end with a letter or digit"
_NAME_REMEDY: Final = (
    "must be up to 63 letters, digits and -_. that begin and end with a letter or digit; a prefix such as "
    "example.com/ may stand before it"
)


def _is_label_name(name: str) -> bool:
    prefix, slash, rest = name.rpartition("/")
    if slash and not (len(prefix) <= 253 and _LABEL_PREFIX.fullmatch(prefix)):
        return False
    return bool(_LABEL_PART.fullmatch(rest))
