"""The prober for HTTP and HTTPS targets."""

from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx

from probes.egress import require_plain_host
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.http_body import TextSearch, encode_text, make_decode
from probes.trace import Trace
from probes.wire.http_transport import Call, Reply, ResponseBody, exchange
from probes.wire.redirects import MAX_REDIRECTS, REDIRECTS, redirected
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http import HttpTarget

MAX_BODY_BYTES: Final = 1024 * 1024
# Each is kept for as long as its target is, and a worker keeps the targets of the checks that it probes.
_calls: Final = WeakKeyDictionary[HttpTarget, Call]()
_MAX_KEPT_BYTES: Final = 2048
# Compressed bodies cost CPU and hide their size, so none is asked for.
_DEFAULT_HEADERS: Final = (
    (b"User-Agent", f"Tocsin/{version('tocsin')}".encode()),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
)


async def probe_http(target: HttpTarget, engine: Engine, trace: Trace) -> None:
    """Return if the response, the last one of redirects, is as expected. Raises ProbeFailure if it is not.

    Of the body, 1 MiB is read at most: a longer one is accepted by its status, but not without its expected text.
    """
    call = _make_call(target) if trace.secrets else make_call(target)
    for _ in range(MAX_REDIRECTS + 1):
        reply = await exchange(call, engine, trace)
        try:
            may_redirect = target.follow_redirects and reply.status_code in REDIRECTS
            following = redirected(call.request, reply.response, trace.secrets) if may_redirect else None
            if following is None:
                return await _judge(reply, target)
        finally:
            reply.body.close()
        call = Call.of(following)
    raise ProbeFailure(Reason.TOO_MANY_REDIRECTS, f"more than {MAX_REDIRECTS} redirects")


def make_call(target: HttpTarget) -> Call:
    """The request of a target; making it costs as much as sending it, so it is kept with the target.

    Raises ProbeFailure for a host that names no place.
    """
    call = _calls.get(target)
    if call is None:
        call = _make_call(target)
        if len(call.wire) <= _MAX_KEPT_BYTES:
            _calls[target] = call
    return call


def _make_call(target: HttpTarget) -> Call:
    require_plain_host(urlsplit(target.url).hostname or "")
    content = None if target.body is None else target.body.encode()
    try:
        return Call.of(httpx.Request(target.method, target.url, headers=_headers(target), content=content))
    except httpx.InvalidURL as exc:
        raise ProbeFailure(Reason.DNS, "the URL names no valid host") from exc


def _headers(target: HttpTarget) -> list[tuple[bytes, bytes]]:
    own = [(header.name.encode("ascii"), header.value.encode("ascii")) for header in target.headers]
    names = {name.lower() for name, _ in own}
    defaults = [header for header in _DEFAULT_HEADERS if header[0].lower() not in names]
    return [*defaults, *own, (b"Connection", b"close")]


async def _judge(reply: Reply, target: HttpTarget) -> None:
    status_code = reply.status_code
    if not target.accepts_status(status_code):
        raise ProbeFailure(Reason.STATUS, f"expected {', '.join(target.expected_status)}, got {status_code}")
    if target.body_contains is None:
        await _drain(reply.body)
    else:
        await _find(target.body_contains, reply)


async def _drain(body: ResponseBody) -> None:
    left = MAX_BODY_BYTES
    while left > 0 and (part := await body.read_some()):
        left -= len(part)


async def _find(text: str, reply: Reply) -> None:
    response = reply.response
    search = TextSearch(encode_text(text, response))
    decode = make_decode(response)
    left = MAX_BODY_BYTES
    while raw := await reply.body.read_some():
        for part in decode(raw):
            search.feed(part[:left])
            left -= len(part)
            if left <= 0:
                return _require_found(search, MAX_BODY_BYTES, cut_off=True)
    _require_found(search, MAX_BODY_BYTES - left, cut_off=False)
    return None


def _require_found(search: TextSearch, read_bytes: int, *, cut_off: bool) -> None:
    if search.found:
        return
    if cut_off:
        raise ProbeFailure(
            Reason.BODY_LIMIT, f"the first {read_bytes // 1024} KiB of the body do not contain the expected text"
        )
    raise ProbeFailure(Reason.ASSERTION, f"the body does not contain the expected text (read {read_bytes} bytes)")
