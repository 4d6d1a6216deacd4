"""Which processes the platform consists of."""

import os
from typing import Final

from tocsin.settings import Settings
from tocsin.up.child import Module

MOST_WORKERS: Final = 2


def platform_modules(settings: Settings) -> list[Module]:
    """A scheduler, one worker for each core up to two, a receiver, and the API, the slowest to start, last."""
    workers = [f"worker-{number + 1}" for number in range(min(MOST_WORKERS, os.cpu_count() or 1))]
    engine = [("scheduler", "probes.scheduler"), *((worker, "probes.worker") for worker in workers)]
    engine.append(("receiver", "receiver.main"))
    return [
        *(Module(name, module, environment=_metrics(settings, index)) for index, (name, module) in enumerate(engine)),
        Module("api", "graphql_api.main"),
    ]


def _metrics(settings: Settings, index: int) -> dict[str, str]:
    """Each process needs a port of its own: they follow the one that was set."""
    return {} if settings.metrics_port is None else {"TOCSIN_METRICS_PORT": str(settings.metrics_port + index)}
