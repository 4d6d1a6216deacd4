"""Judging a response, and noting what was seen of it."""

import httpx

from probes.failures import ProbeFailure
from probes.trace import Trace
from probes.wire.http_auth import require_welcome
from probes.wire.http_content import EXCERPT_BYTES, Content, TextSearch, encode_text, note_excerpt
from probes.wire.http_messages import HeaderLines
from probes.wire.http_transport import Reply
from probes.wire.redirects import locate
from tocsin.domain.facts import Source
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http import HttpTarget

# By names of their own, as each probe needs them: an enumeration takes 60 ns to find a member.
_STATUS, _HEADER, _SIZE = Source.STATUS, Source.HEADER, Source.SIZE


async def judge(reply: Reply, target: HttpTarget, trace: Trace) -> None:
    """Return if the response is as expected, whose facts are noted. Raises ProbeFailure if it is not."""
    facts = trace.facts
    facts[_STATUS] = reply.status_code
    facts[_HEADER] = HeaderLines(reply.headers)
    if not target.accepts_status(reply.status_code):
        await note_excerpt(reply, trace)
        require_welcome(reply.status_code, target.auth)
        raise ProbeFailure(Reason.STATUS, f"expected {', '.join(target.counted_statuses)}, got {reply.status_code}")
    if target.expected_location is not None:
        _require_location(target.expected_location, reply)
    if trace.wanted or target.body_contains is not None or target.accept_compression:
        await _judge_body(reply, target, trace)
    else:
        facts[_SIZE] = await _drain(reply, target.maximum_body_bytes, trace)


async def _judge_body(reply: Reply, target: HttpTarget, trace: Trace) -> None:
    if Source.BODY in trace.wanted or Source.JSON in trace.wanted:
        await _read(Content(reply, target.maximum_body_bytes), target.body_contains, trace)
    elif target.body_contains is not None:
        await _find(Content(reply, target.maximum_body_bytes), target.body_contains, trace)
    elif target.accept_compression:
        await _decode(Content(reply, target.maximum_body_bytes), trace)
    else:
        trace.facts[Source.SIZE] = await _drain(reply, target.maximum_body_bytes, trace)


def _require_location(expected: str, reply: Reply) -> None:
    """Compared as URLs, so that a location may be relative. What it is instead is not told: it may hold a token."""
    location = reply.response.headers.get("location")
    if location is None:
        raise ProbeFailure(Reason.ASSERTION, "the response has no location to redirect to")
    if locate(reply.request.url, location) != httpx.URL(expected):
        raise ProbeFailure(Reason.ASSERTION, "the response redirects to another location than the expected one")


async def _drain(reply: Reply, most_bytes: int, trace: Trace) -> int:
    """Read up to the limit, and tell how much that was. A large page is no outage."""
    left = most_bytes
    first = b""
    while left > 0 and (part := await reply.body.read_some()):
        left -= len(part)
        if trace.tells_all and len(first) < EXCERPT_BYTES:
            first += part[:EXCERPT_BYTES]
    if trace.tells_all:
        trace.facts[Source.BODY] = Content(reply, most_bytes).text(first)
    return most_bytes - left


async def _decode(content: Content, trace: Trace) -> None:
    """Read what is compressed, which must be so as it says."""
    async for _ in content.parts():
        pass
    trace.facts[Source.SIZE] = content.raw_bytes


async def _read(content: Content, text: str | None, trace: Trace) -> None:
    """Note the whole body, which must not exceed the limit, as something is asserted on it."""
    body = await content.read()
    trace.facts[Source.SIZE] = content.raw_bytes
    trace.facts[Source.BODY] = content.text(body[:EXCERPT_BYTES] if content.exceeded else body)
    if text is not None:
        search = TextSearch(encode_text(text, content.response))
        search.feed(body)
        _require_found(search, content)
    if content.exceeded:
        raise ProbeFailure(Reason.BODY_LIMIT, f"the body exceeds {_readable(content.read_bytes)}")


async def _find(content: Content, text: str, trace: Trace) -> None:
    search = TextSearch(encode_text(text, content.response))
    excerpt = b""
    async for part in content.parts():
        search.feed(part)
        excerpt += part[: EXCERPT_BYTES - len(excerpt)]
    trace.facts[Source.SIZE] = content.raw_bytes
    if trace.tells_all or not search.found:
        trace.facts[Source.BODY] = content.text(excerpt)
    _require_found(search, content)


def _require_found(search: TextSearch, content: Content) -> None:
    if search.found:
        return
    if content.exceeded:
        first = f"the first {_readable(content.read_bytes)} of the body"
        raise ProbeFailure(Reason.BODY_LIMIT, f"{first} do not contain the expected text")
    read = f"read {content.read_bytes} bytes"
    raise ProbeFailure(Reason.ASSERTION, f"the body does not contain the expected text ({read})")


def _readable(size_bytes: int) -> str:
    return f"{size_bytes // 1024} KiB" if size_bytes >= 1024 else f"{size_bytes} bytes"
