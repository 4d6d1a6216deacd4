"""Texts that a target sent, as they may be kept and shown."""

import json
import re
from collections.abc import Callable
from typing import Final

MASK: Final = "***"
# Headers whose values let somebody in, or are made to.
_SENSITIVE: Final = re.compile(
    "auth|cookie|token|secret|passw|api-?key|session|csrf|xsrf|signature|credential|nonce", re.IGNORECASE
)
# So many characters beyond an excerpt take some milliseconds: as a secret of 5 KiB needs, which is a large key.
_MOST_LOOKED_AT: Final = 65_536
# A URL's query may carry a token.
_URL_HEADERS: Final = frozenset({"location", "content-location", "refresh", "link", "referer"})
_QUERY: Final = re.compile(r"\?[^\s>,;\"]*")


def masked_header(name: str, value: str) -> str:
    """The value of a response's header, without what gives access."""
    if _SENSITIVE.search(name):
        return MASK
    return _QUERY.sub(f"?{MASK}", value) if name.lower() in _URL_HEADERS else value


def excerpt(text: str, most: int, redact: Callable[[str], str], longest: int) -> str:
    """The beginning, at most so many bytes of JSON, redacted of secrets whose forms have at most `longest` characters.

    Nothing, where that would take too long.

    Redacting is bounded as well: so much more is looked at that every secret in the beginning is there as a whole. What
    may be the first part of another one, at the end of that, is left out again.
    """
    if longest > _MOST_LOOKED_AT and len(text) > most:
        return ""
    looked_at = text[: most + longest]
    redacted = redact(looked_at)
    if len(looked_at) < len(text):
        redacted = redacted[: max(len(redacted) - longest, 0)]
    return bounded(printable(redacted[:most]), most)


def printable(text: str) -> str:
    """The text with escapes in place of what is no printable character, line break (CRLF as LF) or tab.

    Neither PostgreSQL nor a terminal gets what it could stumble over: NUL, halves of characters, control sequences,
    and marks that turn the direction of writing.
    """
    if text.isprintable():
        return text
    lines = text.replace("\r\n", "\n")
    return "".join(each if each.isprintable() or each in "\n\t" else _escaped(each) for each in lines)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def bounded(text: str, most: int) -> str:
    """The beginning of a printable text that takes at most so many bytes of JSON."""
    text = text[:most]
    while (size := encoded_size(text)) > most:
        text = text[: len(text) * most // size]
    return text


def encoded_size(value: object) -> int:
    """Its bytes as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode())
