"""The receiver as an ASGI application: one kind of address, short answers, and nothing else to find."""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from math import ceil
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from receiver.intake import Intake, Taken
from receiver.metrics import DURATION, REFUSED, REPORTS
from receiver.paths import Address, RunIdError, address_of
from receiver.payloads import BodyTooLongError, DisconnectedError, Payload, read_payload
from tocsin.domain.errors import RateLimitedError
from tocsin.domain.heartbeats import MAXIMUM_PAYLOAD_BYTES, Report, ReportSource
from tocsin.rate_limit import RateLimiter
from tocsin.services.reporting import Incoming

# Of keys that were not seen before, from one address: who guesses gets nowhere.
UNKNOWN_PER_SECOND: Final = 50.0
UNKNOWN_BURST: Final = 1_000
BODY_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 5
STOP_SECONDS: Final = 10.0
_METHODS: Final = ("GET", "HEAD", "POST")
# What Healthchecks' clients look for: how much of a payload is kept, and that a page of any site may report.
_HEADERS: Final = {
    "Ping-Body-Limit": str(MAXIMUM_PAYLOAD_BYTES),
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
}
_ANSWERS: Final = {
    Taken.STORED: (200, "OK"),
    Taken.KEPT: (202, "OK, to be stored when the database is back"),
    Taken.UNKNOWN: (404, "not found"),
    Taken.REFUSED: (503, "try again"),
}


class Door:
    """Answers requests: reads what is reported, and hands it to the intake."""

    def __init__(self, intake: Intake, by_key: RateLimiter) -> None:
        self._intake = intake
        self._by_key = by_key
        self._by_client = RateLimiter(UNKNOWN_PER_SECOND, UNKNOWN_BURST)

    async def answer(self, request: Request) -> Response:
        """Take a report. What is no report of a known key is not found, whatever else it is."""
        try:
            address = address_of(request.scope["path"], request.scope["query_string"].decode("latin-1"))
            if address is None:
                return _refused(404, "not found")
            self._limit(request, address)
            async with asyncio.timeout(BODY_SECONDS):
                payload = await read_payload(request.receive)
            return await self._take(address, payload)
        except RunIdError as exc:
            return _refused(400, str(exc))
        except RateLimitedError as exc:
            return _refused(429, "too many reports", retry_seconds=ceil(exc.retry_after.total_seconds()))
        except BodyTooLongError:
            return _refused(413, "the payload is too long")
        except (TimeoutError, DisconnectedError):
            return _refused(408, "the payload did not arrive")

    def _limit(self, request: Request, address: Address) -> None:
        if not self._intake.knows(address.key_hash):
            self._by_client.take(_network(request))
        self._by_key.take(address.key_hash)

    async def _take(self, address: Address, payload: Payload) -> Response:
        began = time.perf_counter()
        report = Report(address.kind, self._intake.now(), address.run_id, address.exit_code, payload.text, payload.size)
        taken = await self._intake.take(Incoming(address.key_hash, report, ReportSource.HTTP))
        REPORTS.labels(ReportSource.HTTP, report.kind, taken).inc()
        DURATION.observe(time.perf_counter() - began)
        status, text = _ANSWERS[taken]
        retry = {"Retry-After": str(_RETRY_SECONDS)} if taken is Taken.REFUSED else {}
        return PlainTextResponse(text, status, {**_HEADERS, **retry})


def _network(request: Request) -> str:
    """Who asks: an IPv4 address, or the network of an IPv6 address, whose owner has all of it."""
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return ""  # What a proxy says may be anything.
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _refused(status: int, text: str, retry_seconds: int | None = None) -> Response:
    REFUSED.labels(status).inc()
    retry = {} if retry_seconds is None else {"Retry-After": str(retry_seconds)}
    # What is left of the request is not read.
    close = {"Connection": "close"} if status in (408, 413) else {}
    return PlainTextResponse(text, status, {**_HEADERS, **retry, **close})


def create_app(door: Door, work: Callable[[], Coroutine[Any, Any, None]]) -> Starlette:
    """Make the application; `work` goes on from when the server starts until it is told to stop."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        working = asyncio.create_task(work())
        try:
            yield
        finally:
            working.cancel()
            await asyncio.wait([working], timeout=STOP_SECONDS)

    return Starlette(routes=[Route("/{path:path}", door.answer, methods=list(_METHODS))], lifespan=lifespan)
