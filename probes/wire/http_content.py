"""The content of responses: decoded, in bounded memory, and as text."""

import asyncio
import codecs
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Final

import httpx

from probes.deadline import Deadline
from probes.failures import ProbeFailure
from probes.trace import Trace
from probes.wire.http_transport import Reply
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason

Decode = Callable[[bytes], Iterable[bytes]]

# How much is kept of a response that is not as expected, and how long it is waited for.
EXCERPT_BYTES: Final = 4096
_EXCERPT_SECONDS: Final = 1.0
_CHARSET: Final = re.compile(
    r"ascii|(?:utf-(?:8|16|32)|iso8859-|cp[0-9]|koi8-|mac-|shift_jis|euc_|gb|big5|iso2022_|johab|tis-620).*"
)
_MAX_TYPE_LENGTH: Final = 256
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_DECODED_PART_BYTES: Final = 64 * 1024


class Content:
    """The body of a reply without its encoding, up to a limit. `raw_bytes` and `read_bytes` grow as it is read."""

    def __init__(self, reply: Reply, most_bytes: int) -> None:
        self.response = reply.response
        self.raw_bytes = 0  # as they came
        self.read_bytes = 0  # decoded
        self.exceeded = False
        self._body = reply.body
        self._most_bytes = most_bytes

    async def parts(self) -> AsyncIterator[bytes]:
        """What comes, until the limit is exceeded. Raises ProbeFailure with ASSERTION or PROTOCOL."""
        decode = make_decode(self.response)
        while not self.exceeded and (raw := await self._body.read_some()):
            self.raw_bytes += len(raw)
            for part in decode(raw):
                left = self._most_bytes - self.read_bytes
                self.read_bytes += min(left, len(part))
                yield part[:left]
                if len(part) > left:
                    self.exceeded = True
                    break
                if len(part) == _DECODED_PART_BYTES:
                    # Others get their turn while few bytes become many.
                    await asyncio.sleep(0)
            # Few bytes may be made of many, too: compressed data may hold empty blocks without end.
            self.exceeded = self.exceeded or self.raw_bytes > self._most_bytes

    async def read(self) -> bytes:
        """All of it, up to the limit."""
        return b"".join([part async for part in self.parts()])

    def text(self, content: bytes) -> str:
        """The content in its character set, where what is wrong in it is replaced."""
        # What is noted may be stored, and PostgreSQL stores no NUL.
        text = content.decode(charset_of(self.response), "replace")
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def charset_of(response: httpx.Response) -> str:
    """The name of the codec for the response's character set; UTF-8 for one that is unknown, or no character set.

    Python knows more by such names: `punycode` takes minutes for a megabyte, and `undefined` fails. A type of 60 KB
    would hold the event loop for seconds, as the standard library reads parameters in quadratic time.
    """
    if len(response.headers.get("content-type", "")) > _MAX_TYPE_LENGTH:
        return "utf-8"
    try:
        name = codecs.lookup(response.charset_encoding or "utf-8").name
    except (LookupError, ValueError):
        return "utf-8"
    return name if _CHARSET.fullmatch(name) else "utf-8"


async def note_excerpt(reply: Reply, trace: Trace) -> None:
    """Note the first of the body as evidence. Nothing that goes wrong with it says more than the status does."""
    content = Content(reply, EXCERPT_BYTES)
    excerpt = b""
    try:
        with Deadline(min(_EXCERPT_SECONDS, trace.remaining_seconds / 2)):
            async for part in content.parts():
                excerpt += part
    except (TimeoutError, ProbeFailure):
        pass
    trace.facts[Source.BODY] = content.text(excerpt)


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
    """The text in the response's character set, or in UTF-8 if that cannot express it."""
    try:
        return text.encode(charset_of(response))
    except UnicodeEncodeError:
        return text.encode()


def make_decode(response: httpx.Response) -> Decode:
    """What undoes the response's content encoding, lazily: few bytes may hold an endless body.

    Raises ProbeFailure with reason ASSERTION for an encoding that is not known, and was not asked for.
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
