"""What kopf calls, and how kopf is set up: it watches, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import kopf

from healthcheck_operator.resources import GROUP, PLURAL, VERSION, read_object
from healthcheck_operator.tracking import Tracking

# Of objects at once; with a short idle time, or the limit throttles to a fifth of it a second.
_WORKER_LIMIT: Final = 100
_IDLE_SECONDS: Final = 0.1
_PAGE_SIZE: Final = 500
_WATCH_SECONDS: Final = 600


def make_registry(info: kopf.ConnectionInfo, tracking: Tracking, listed: asyncio.Event) -> kopf.OperatorRegistry:
    """The handlers; `listed` is set when objects come from a list, which may lack what was deleted meanwhile."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:  # noqa: ANN401 - kopf's own arguments
        return info

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def tell(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002, ANN401 - as above
        healthcheck = read_object(body)
        if type == "DELETED":
            tracking.see_gone(healthcheck.uid)
        else:
            tracking.see(healthcheck)
        if type is None:
            listed.set()

    return registry


def make_settings() -> kopf.OperatorSettings:
    """Every setting has its measurement in docs/decisions/0013-operator.md."""
    settings = kopf.OperatorSettings()
    settings.queueing.worker_limit = _WORKER_LIMIT
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.watching.chunk_size = _PAGE_SIZE
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    return settings


async def watch(
    info: kopf.ConnectionInfo,
    namespaces: Sequence[str] | None,
    tracking: Tracking,
    listed: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Watch until told to stop. Raises what kopf cannot go on after."""
    await kopf.operator(
        registry=make_registry(info, tracking, listed),
        settings=make_settings(),
        clusterwide=namespaces is None,
        namespaces=namespaces or (),
        standalone=True,
        stop_flag=stop,
    )
