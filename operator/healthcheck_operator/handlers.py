"""What kopf calls, and how kopf is set up: it watches, and nothing else."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

import kopf

from healthcheck_operator.resources import GROUP, PLURAL, VERSION, HealthCheck, read_object
from healthcheck_operator.tracking import Tracking
from tocsin.kubernetes import find_cluster

# What an event of the watch is, or None where the object comes from a list, and the object.
Tell = Callable[[str | None, HealthCheck], None]

# Of objects at once; with a short idle time, or the limit throttles to a fifth of it a second.
_WORKER_LIMIT: Final = 100
_IDLE_SECONDS: Final = 0.1
_PAGE_SIZE: Final = 500
_WATCH_SECONDS: Final = 600
# After the last of them kopf gives up, and a new term begins.
_BACKOFFS_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


def make_registry(tell: Tell) -> kopf.OperatorRegistry:
    """The handlers."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:  # noqa: ANN401 - kopf's own arguments
        # Each time anew: the token of a pod is replaced while the pod runs.
        return find_cluster()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def pass_on(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002, ANN401 - as above
        tell(type, read_object(body))

    return registry


class _NoHistory(kopf.DiffBaseStorage):
    """Nothing is kept in objects: kopf reads it back of whatever their authors wrote there, and stumbles over it."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's signature
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:
        """There is none."""

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """It is needed by nobody."""


def make_settings() -> kopf.OperatorSettings:
    """Every setting has its measurement in docs/decisions/0013-operator.md."""
    settings = kopf.OperatorSettings()
    settings.queueing.worker_limit = _WORKER_LIMIT
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.watching.chunk_size = _PAGE_SIZE
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.networking.enforce_retry_after = True
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = _BACKOFFS_SECONDS
    settings.persistence.diffbase_storage = _NoHistory()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    return settings


async def watch(
    namespaces: Sequence[str] | None, tracking: Tracking, listed: asyncio.Event, stop: Future[None]
) -> None:
    """Watch until told to stop. Raises what kopf cannot go on after.

    kopf gets a thread and a loop of its own: it takes the signals of the main thread, and ends every task of its loop.
    """
    ours = asyncio.get_running_loop()

    def take_in(type_: str | None, healthcheck: HealthCheck) -> None:
        if type_ == "DELETED":
            tracking.see_gone(healthcheck.uid)
        else:
            tracking.see(healthcheck, in_list=type_ is None)
        if type_ is None:
            # From a list, which lacks what was deleted meanwhile.
            listed.set()

    def tell(type_: str | None, healthcheck: HealthCheck) -> None:
        ours.call_soon_threadsafe(take_in, type_, healthcheck)

    await asyncio.to_thread(asyncio.run, _run_kopf(namespaces, make_registry(tell), stop))


async def _run_kopf(namespaces: Sequence[str] | None, registry: kopf.OperatorRegistry, stop: Future[None]) -> None:
    await kopf.operator(
        registry=registry,
        settings=make_settings(),
        clusterwide=namespaces is None,
        namespaces=namespaces or (),
        standalone=True,
        stop_flag=asyncio.wrap_future(stop),
    )
