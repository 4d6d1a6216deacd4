"""Keep the secrets that a target was sent out of what is told about it, in whatever form it sends them back."""

import json
import re
from base64 import b64encode
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

# What is shorter is found everywhere, so that nothing of the target's is told at all.
SHORTEST_SEARCHED: Final = 4
_MASK: Final = "***"
_MOST_LEARNED: Final = 4
# A character beyond the first plane has four bytes in UTF-8, and each has three characters in percent-encoding.
_LONGEST_FORM: Final = 12
_WITHHELD: Final = "what was seen is not told: a secret of this check is too short to be found in it"
# As in "Bearer ...": the target may tell the credentials without their scheme.
_SCHEME_AND_CREDENTIALS: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]* +(\S+)")


class Redaction:
    """Masks some secrets, which are too dear to be kept, and texts that stand plainly where secrets may stand.

    It searches when there is something to be told.
    """

    def __init__(self, secrets: Collection[str], plain: Collection[str] = ()) -> None:
        self.secrets = secrets
        self._plain = plain
        self._learned: deque[str] = deque(maxlen=_MOST_LEARNED)

    def learn(self, secret: str) -> None:
        """Mask this too, which was given for a secret, such as a token. The last few are remembered."""
        self._learned.append(secret)

    @property
    def _masked_texts(self) -> tuple[str, ...]:
        return (*self.secrets, *self._plain, *self._learned)

    @property
    def withholds(self) -> bool:
        """Whether nothing is told at all, as one of the secrets is too short to be searched for."""
        return any(len(secret.strip()) < SHORTEST_SEARCHED for secret in self.secrets)

    @property
    def longest_form(self) -> int:
        """No form of a secret has more characters."""
        return _LONGEST_FORM * max(map(len, self._masked_texts), default=0)

    def applied_to(self, text: str) -> str:
        """The text without the secrets; without anything, where one of them is too short to be searched for."""
        if self.withholds:
            return _WITHHELD
        forms = {form for secret in self._masked_texts for form in _forms(secret, len(text))}
        small = _in_small_letters(text)
        return _masked(text, sorted(place for form in forms for place in _places(form, small)))


def _masked(text: str, places: Iterable[tuple[int, int]]) -> str:
    """The text with these places masked, which come in their order and may overlap."""
    parts: list[str] = []
    told = 0
    for start, end in places:
        if start > told or not parts:
            parts += [text[told:start], _MASK]
        told = max(told, end)
    return "".join((*parts, text[told:]))


def _places(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Where it stands in a text of small letters, whether it has some or capitals: host names have small ones.

    Not by a pattern: the `re` module keeps those that it was given lately.
    """
    form = _in_small_letters(form)
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _in_small_letters(text: str) -> str:
    """Of the same length; the small form of some letters is two, and that of a sigma depends on what follows it."""
    small = text.lower()
    if len(small) != len(text):
        small = "".join(each if len(each := character.lower()) == 1 else character for character in text)
    return small.replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")


def _forms(secret: str, most: int) -> set[str]:
    """What the secret may look like in a text of so many characters. No form is shorter than what it stands for."""
    trimmed = secret.strip()
    credentials = _SCHEME_AND_CREDENTIALS.fullmatch(trimmed)
    plain = {trimmed, credentials[1]} if credentials else {trimmed}
    return {form for part in plain if SHORTEST_SEARCHED <= len(part) <= most for form in _encoded(part)}


def _encoded(text: str) -> Iterator[str]:
    yield text
    yield from (quote(text, safe=""), quote(text), quote_plus(text))
    escaped = json.dumps(text)[1:-1]
    yield from (escaped, escaped.replace("/", "\\/"), json.dumps(text, ensure_ascii=False)[1:-1])
    yield from _base64_forms(text.encode())


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The Base64 of the bytes, also as a part of something longer: then they start at one of three places."""
    yield b64encode(raw).decode()
    for before in range(3):
        encoded = b64encode(bytes(before) + raw).decode()
        # Characters that the bytes alone decide: six bits each, eight to a byte.
        decided = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield from (decided, decided.replace("+", "-").replace("/", "_"))
