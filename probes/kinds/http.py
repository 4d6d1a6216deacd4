"""The prober for HTTP and HTTPS targets."""

from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx

from probes.egress import require_plain_host
from probes.engine import Engine
from probes.failures import ProbeFailure
from probes.kinds.http_judging import judge
from probes.trace import Trace
from probes.wire.http_transport import Call, exchange
from probes.wire.redirects import MAX_REDIRECTS, REDIRECTS, redirected
from tocsin.domain.observations import Reason
from tocsin.domain.targets.http import HttpTarget

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
                return await judge(reply, target, trace)
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
