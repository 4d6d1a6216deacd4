"""What goes wrong between a client and the API server, and which requests it happens to."""

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

WAIT_SECONDS = 30


@dataclass(frozen=True)
class Request:
    """`target` is the path with its query."""

    method: str
    target: str

    def matches(self, pattern: str) -> bool:
        """Whether the pattern is found in a line such as `GET /api/v1/namespaces?watch=true`."""
        return re.search(pattern, f"{self.method} {self.target}") is not None


@dataclass(frozen=True)
class Answer:
    """Given instead of the API server's."""

    status: int
    content: bytes
    retry_after: timedelta | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(self.content)))]
        if self.retry_after is not None:
            headers.append(("Retry-After", str(int(self.retry_after.total_seconds()))))
        return headers


def refusal(status: int, reason: str, retry_after: timedelta | None = None) -> Answer:
    """As the API server refuses: 429 TooManyRequests, 500 InternalError, 409 Conflict, 410 Expired, 403 Forbidden."""
    return Answer(status, json.dumps(_failure(status, reason)).encode(), retry_after)


def expired_watch() -> Answer:
    """How the API server tells a watch that its resource version is too old: 200, and one event that says 410."""
    return Answer(200, json.dumps({"type": "ERROR", "object": _failure(410, "Expired")}).encode() + b"\n")


def _failure(code: int, reason: str) -> dict[str, object]:
    kind = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure"}
    return kind | {"code": code, "reason": reason, "message": f"{reason}: a fault of the test"}


@dataclass(eq=False)
class Fault:
    """Happens to requests that match, `times` times (None: until it is over)."""

    pattern: str
    answer: Answer | None = None
    delay: timedelta = timedelta()
    stalls: bool = False
    times: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def concerns(self, request: Request) -> bool:
        return not self.over.is_set() and request.matches(self.pattern)

    def end(self) -> None:
        """Requests that it delays or holds back go on now."""
        self.over.set()

    async def happen(self) -> Answer | None:
        if self.times is not None:
            self.times -= 1
        if self.times == 0:
            self.end()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), self.delay.total_seconds())
        return self.answer


class Faults:
    """The faults that a test has ordered, and the requests that have come, in their order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._ordered: list[Fault] = []
        self._news = asyncio.Condition()

    def answer(self, pattern: str, answer: Answer, times: int | None = None) -> Fault:
        """Give this answer to requests, that many times or until the fault ends."""
        return self._order(Fault(pattern, answer=answer, times=times))

    def delay(self, pattern: str, delay: timedelta) -> Fault:
        return self._order(Fault(pattern, delay=delay))

    def stall(self, pattern: str) -> Fault:
        """Leave connections open, those of earlier requests too, and let nothing through them to the client."""
        return self._order(Fault(pattern, stalls=True))

    def _order(self, fault: Fault) -> Fault:
        self._ordered.append(fault)
        return fault

    async def until_requested(self, pattern: str, count: int = 1) -> None:
        """Wait until so many requests that match have come, earlier ones among them. Raises TimeoutError."""
        async with asyncio.timeout(WAIT_SECONDS), self._news:
            await self._news.wait_for(lambda: sum(request.matches(pattern) for request in self.requests) >= count)

    async def befall(self, request: Request) -> Answer | None:
        """Note the request and delay it; returns what it is answered instead of being passed on."""
        async with self._news:
            self.requests.append(request)
            self._news.notify_all()
        for fault in [fault for fault in self._ordered if not fault.stalls and fault.concerns(request)]:
            if answer := await fault.happen():
                return answer
        return None

    async def until_let_through(self, request: Request) -> None:
        """Wait while what the API server says to this request is held back."""
        for fault in self._ordered:
            if fault.stalls and fault.concerns(request):
                await fault.over.wait()
