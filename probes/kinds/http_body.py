"""Looking for a text in the body of a response, in bounded memory."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import httpx

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason

Decode = Callable[[bytes], Iterable[bytes]]

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_DECODED_PART_BYTES: Final = 64 * 1024


class TextSearch:
    """Looks for a text that may be split over parts of a body, of which it keeps less than the text's length."""

    def __init__(self, text: bytes) -> None:
        self.found = False
        self._text = text
        self._tail = b""

    def feed(self, part: bytes) -> None:
        window = self._tail + part
        self.found = self.found or self._text in window
        self._tail = window[len(window) - min(len(window), len(self._text) - 1) :]


def encode_text(text: str, response: httpx.Response) -> bytes:
    """The text in the response's character set, or in UTF-8 if that is unknown or cannot express it."""
    try:
        return text.encode(response.charset_encoding or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return text.encode()


def make_decode(response: httpx.Response) -> Decode:
    """What undoes the response's content encoding, lazily: few bytes may hold an endless body.

    Raises ProbeFailure with reason ASSERTION for an encoding that is not known, as none was asked for.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return lambda part: (part,)
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _make_inflate()
    raise ProbeFailure(Reason.ASSERTION, "the body cannot be searched: the server encoded it although none was asked")


def _make_inflate() -> Decode:
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)

    def inflate(part: bytes) -> Iterator[bytes]:
        try:
            while part and not inflater.eof:
                if decoded := inflater.decompress(part, _DECODED_PART_BYTES):
                    yield decoded
                part = inflater.unconsumed_tail
        except zlib.error as exc:
            raise ProbeFailure(Reason.PROTOCOL, "the body is not encoded as its Content-Encoding says") from exc

    return inflate
