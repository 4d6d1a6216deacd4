"""The doorbell: a hint through Redis that organizations have news.

Nothing depends on it: whoever listens also looks, every second.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Final, Self

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

_CHANNEL: Final = "tocsin:news"
_RING_SECONDS: Final = 0.5
# After a failure, rings are left out for this long: a flush does not wait again and again for a Redis that is away.
_REST_SECONDS: Final = 2.0
# A connection on which this long nothing came, not even the answer to a ping, is dead.
_SILENCE_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_FAILURES: Final = (RedisError, OSError, TimeoutError)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Doorbell:
    """Ring and listen. Works with `redis://`, `rediss://` and `unix://` URLs; close it in the loop that used it."""

    def __init__(self, redis_url: str) -> None:
        # Time is limited here: redis-py's own timeouts go through `asyncio.wait_for`, which loses cancellations before
        # Python 3.12. It would also try again, but a hint that comes late is worth nothing.
        self._redis = Redis.from_url(
            redis_url, socket_timeout=None, socket_connect_timeout=None, retry=Retry(NoBackoff(), 0)
        )
        self._rest_until = 0.0
        self._rings = _Outage("ring")
        self._listens = _Outage("listen")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._redis.aclose()

    async def ring(self, organization_ids: Iterable[int]) -> None:
        """Say that these organizations have news. Takes at most half a second, and raises nothing."""
        if time.monotonic() < self._rest_until:
            return
        try:
            async with asyncio.timeout(_RING_SECONDS):
                await self._redis.publish(_CHANNEL, ",".join(map(str, organization_ids)))
        except _FAILURES as exc:
            self._rest_until = time.monotonic() + _REST_SECONDS
            self._rings.note(exc)
        else:
            self._rings.end()

    async def listen(self) -> AsyncGenerator[set[int]]:
        """The organizations of each ring, for ever. What was rung while Redis was away does not come."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with aclosing(self._rung()) as rung:
                    async for organization_ids in rung:
                        pause = _FIRST_PAUSE_SECONDS
                        yield organization_ids
            except _FAILURES as exc:
                self._listens.note(exc)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _rung(self) -> AsyncGenerator[set[int]]:
        async with self._redis.pubsub() as channel:
            async with asyncio.timeout(_SILENCE_SECONDS):
                await channel.subscribe(_CHANNEL)
            while True:
                message = await _next_message(channel)
                self._listens.end()
                if message["type"] == "message":
                    yield _parse(message["data"])


async def _next_message(channel: PubSub) -> dict[str, Any]:
    """The next message of any type. Raises TimeoutError when nothing comes, not even the answer to a ping."""
    for _ in range(2):
        message: dict[str, Any] | None = await channel.get_message(timeout=_SILENCE_SECONDS)
        if message is not None:
            return message
        async with asyncio.timeout(_SILENCE_SECONDS):
            await channel.ping()
    raise TimeoutError


def _parse(data: bytes) -> set[int]:
    """A message that is none of ours names nobody."""
    return {int(part) for part in data.split(b",") if part.isdigit()}


class _Outage:
    """Log once when it begins, and once when it ends."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._lasts = False

    def note(self, cause: BaseException) -> None:
        if not self._lasts:
            # The type alone: a message may name a URL with a password in it.
            _logger.warning("doorbell_away", action=self._action, cause=type(cause).__name__)
        self._lasts = True

    def end(self) -> None:
        if self._lasts:
            _logger.info("doorbell_back", action=self._action)
        self._lasts = False
