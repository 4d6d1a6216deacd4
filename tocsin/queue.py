"""Hints to workers, through Dramatiq and Redis. They may be lost, repeated or late: the ledger holds the work."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit

PROBE_BATCH = "probe_batch"
PROBE_RUN = "probe_run"
# An older hint names a batch that workers have found in the ledger by now.
HINT_AGE_LIMIT_MS = 30_000

Hint = tuple[str, int]
"""The name of a location whose workers are to hear it, and the id of a batch or run."""

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def probes_queue(location: str) -> str:
    """The queue that the workers of a location listen to."""
    return f"probes.{location}"


def make_broker(redis_url: str) -> RedisBroker:
    """A broker for hints. A worker that is gone is noticed after 15 s, and its messages are given to others."""
    pool = redis.ConnectionPool.from_url(redis_url, socket_connect_timeout=1, socket_timeout=2)
    return RedisBroker(  # type: ignore[no-untyped-call]  # Dramatiq does not annotate it
        client=redis.Redis(connection_pool=pool),
        middleware=[AgeLimit(max_age=HINT_AGE_LIMIT_MS)],
        namespace="tocsin",
        heartbeat_timeout=15_000,
        maintenance_chance=20_000,
        dead_message_ttl=60_000,
    )


class HintSender:
    """Sends hints from an event loop without ever blocking it; while Redis is away, they are dropped."""

    def __init__(self, redis_url: str) -> None:
        self._broker = make_broker(redis_url)
        self._thread = ThreadPoolExecutor(1, "hints")
        self._sending: asyncio.Future[None] | None = None
        self._failing = False

    def send(self, actor: str, hints: Sequence[Hint]) -> None:
        """Name these batches or runs to workers, soon and at most once."""
        # A tick without batches would tell nothing of Redis either.
        if hints and (self._sending is None or self._sending.done()):
            loop = asyncio.get_running_loop()
            self._sending = loop.run_in_executor(self._thread, self._send_all, actor, list(hints))

    def _send_all(self, actor: str, hints: list[Hint]) -> None:
        try:
            for location, row_id in hints:
                self._broker.declare_queue(probes_queue(location))
                self._broker.enqueue(_message(actor, location, row_id))
        except (dramatiq.errors.BrokerError, redis.RedisError) as exc:
            self._note_failure(type(exc).__name__)
        else:
            self._note_success()

    def _note_failure(self, error: str) -> None:
        if not self._failing:
            _logger.warning("hints_are_lost", error=error, consequence="workers find their batches in the ledger")
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            _logger.info("hints_are_sent_again")
        self._failing = False

    def close(self) -> None:
        """Wait for what is being sent, then close the connections."""
        self._thread.shutdown()
        self._broker.close()
        self._broker.client.close()


def _message(actor: str, location: str, row_id: int) -> dramatiq.Message[None]:
    queue = probes_queue(location)
    return dramatiq.Message(queue_name=queue, actor_name=actor, args=(row_id,), kwargs={}, options={})
