"""The Dramatiq actors: they hand ids to the worker's event loop and are done, for the ledger holds the work."""

from collections.abc import Callable

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tocsin.queue import PROBE_BATCH, PROBE_RUN, make_broker, probes_queue

OnHint = Callable[[int], object]
"""Takes the id of a row. Called from a thread of Dramatiq's."""


def declare_actors(broker: RedisBroker, location: str, on_batch: OnHint, on_run: OnHint) -> None:
    """Bind the actors of this process, which listen to a location's queue, to what takes their ids."""
    queue = probes_queue(location)

    @dramatiq.actor(actor_name=PROBE_BATCH, queue_name=queue, broker=broker)
    def probe_batch(batch_id: int) -> None:
        on_batch(batch_id)

    @dramatiq.actor(actor_name=PROBE_RUN, queue_name=queue, broker=broker)
    def probe_run(run_id: int) -> None:
        on_run(run_id)


def listen_for_hints(redis_url: str, location: str, on_batch: OnHint, on_run: OnHint) -> dramatiq.Worker:
    """Start taking hints in Dramatiq's threads; without Redis it goes on trying, and nothing depends on it."""
    broker = make_broker(redis_url)
    declare_actors(broker, location, on_batch, on_run)
    # Two threads are many, since an actor only hands over a number. The timeout is how long an idle one sleeps.
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
    worker.start()
    return worker
