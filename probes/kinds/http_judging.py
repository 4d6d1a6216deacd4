"""Judging a response, and noting what was seen of it."""

from typing import Final

from probes.deadline import Deadline
from probes.failures import ProbeFailure
from probes.kinds.http_body import TextSearch, encode_text, make_decode
from probes.trace import Trace
from probes.wire.http_messages import HeaderLines
from probes.wire.http_transport import Reply, ResponseBody
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http import HttpTarget

MAX_BODY_BYTES: Final = 1024 * 1024
# How much is kept of a response that is not as expected, and how long it is waited for.
EXCERPT_BYTES: Final = 4096
_EXCERPT_SECONDS: Final = 1.0


async def judge(reply: Reply, target: HttpTarget, trace: Trace) -> None:
    """Return if the response is as expected, whose facts are noted. Raises ProbeFailure if it is not."""
    trace.facts[Source.STATUS] = reply.status_code
    trace.facts[Source.HEADER] = HeaderLines(reply.headers)
    if not target.accepts_status(reply.status_code):
        await _note_excerpt(reply, trace)
        raise ProbeFailure(Reason.STATUS, f"expected {', '.join(target.expected_status)}, got {reply.status_code}")
    if Source.BODY in trace.wanted or Source.JSON in trace.wanted:
        await _read(reply, target, trace)
    elif target.body_contains is not None:
        await _find(target.body_contains, reply, trace)
    else:
        trace.facts[Source.SIZE] = await _drain(reply.body)


async def _drain(body: ResponseBody) -> int:
    """Read up to the limit, and tell how much that was."""
    left = MAX_BODY_BYTES
    while left > 0 and (part := await body.read_some()):
        left -= len(part)
    return MAX_BODY_BYTES - left


async def _read(reply: Reply, target: HttpTarget, trace: Trace) -> None:
    """Note the whole body, which must not exceed the limit, as something is asserted on it."""
    response = reply.response
    decode = make_decode(response)
    parts: list[bytes] = []
    left = MAX_BODY_BYTES
    trace.facts[Source.SIZE] = 0
    while raw := await reply.body.read_some():
        trace.facts[Source.SIZE] += len(raw)
        for part in decode(raw):
            parts.append(part[:left])
            left -= len(part)
            if left < 0:
                trace.facts[Source.BODY] = _text(b"".join(parts)[:EXCERPT_BYTES], response.charset_encoding)
                raise ProbeFailure(Reason.BODY_LIMIT, f"the body exceeds {MAX_BODY_BYTES // 1024} KiB")
    body = b"".join(parts)
    trace.facts[Source.BODY] = _text(body, response.charset_encoding)
    if target.body_contains is not None:
        search = TextSearch(encode_text(target.body_contains, response))
        search.feed(body)
        _require_found(search, len(body), cut_off=False)


async def _find(text: str, reply: Reply, trace: Trace) -> None:
    response = reply.response
    search = TextSearch(encode_text(text, response))
    decode = make_decode(response)
    left = MAX_BODY_BYTES
    excerpt = b""
    trace.facts[Source.SIZE] = 0
    while left > 0 and (raw := await reply.body.read_some()):
        trace.facts[Source.SIZE] += len(raw)
        for part in decode(raw):
            search.feed(part[:left])
            left -= len(part)
            if len(excerpt) < EXCERPT_BYTES:
                excerpt += part[: EXCERPT_BYTES - len(excerpt)]
            if left <= 0:
                break
    if not search.found:
        trace.facts[Source.BODY] = _text(excerpt, response.charset_encoding)
    _require_found(search, MAX_BODY_BYTES - max(left, 0), cut_off=left <= 0)


def _require_found(search: TextSearch, read_bytes: int, *, cut_off: bool) -> None:
    if search.found:
        return
    if cut_off:
        raise ProbeFailure(
            Reason.BODY_LIMIT, f"the first {read_bytes // 1024} KiB of the body do not contain the expected text"
        )
    raise ProbeFailure(Reason.ASSERTION, f"the body does not contain the expected text (read {read_bytes} bytes)")


async def _note_excerpt(reply: Reply, trace: Trace) -> None:
    """Note the first of the body as evidence. Nothing that goes wrong with it says more than the status does."""
    response = reply.response
    excerpt = b""
    try:
        decode = make_decode(response)
        with Deadline(min(_EXCERPT_SECONDS, trace.remaining_seconds / 2)):
            while len(excerpt) < EXCERPT_BYTES and (raw := await reply.body.read_some()):
                for part in decode(raw):
                    excerpt += part[: EXCERPT_BYTES - len(excerpt)]
    except (TimeoutError, ProbeFailure):
        pass
    trace.facts[Source.BODY] = _text(excerpt, response.charset_encoding)


def _text(content: bytes, charset: str | None) -> str:
    try:
        return content.decode(charset or "utf-8", "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
