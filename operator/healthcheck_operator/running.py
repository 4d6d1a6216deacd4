"""A probe now, because somebody annotated an object with `tocsin.dev/run-at`."""

import asyncio
from typing import Final
from uuid import UUID

import structlog

from healthcheck_operator.cluster import Cluster, ClusterError
from healthcheck_operator.reporting import Report, send_report
from healthcheck_operator.resources import RUN_AT_ANNOTATION, HealthCheck, path_of
from tocsin.models.codes import OUTCOMES
from tocsin.services.runs import GRACE, request_run, wait_for_run

_POINTER: Final = "/metadata/annotations/" + RUN_AT_ANNOTATION.replace("/", "~1")
# Each run that is awaited asks the database again and again; objects may be annotated by the thousand.
_turns: Final = asyncio.Semaphore(20)
# Runs by their object; without a reference a task may vanish.
_awaited: Final[dict[UUID, asyncio.Task[None]]] = {}

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def start_run(cluster: Cluster, healthcheck: HealthCheck, organization_id: int, check_id: int) -> None:
    """Ask for a probe, take the annotation away, and tell in an event what the probe found.

    The annotation goes first, so that a crash between the two loses a run instead of repeating it for ever. Whoever
    asks while a run of the object is awaited gets its result.
    """
    uid = healthcheck.uid
    if await _take_annotation(cluster, healthcheck) and uid not in _awaited:
        _awaited[uid] = asyncio.create_task(_run_in_turn(cluster, healthcheck, organization_id, check_id))
        _awaited[uid].add_done_callback(lambda _: _awaited.pop(uid))


async def _take_annotation(cluster: Cluster, healthcheck: HealthCheck) -> bool:
    """Whether the annotation was still there: somebody else may have taken or changed it."""
    operations: list[dict[str, object]] = [
        {"op": "test", "path": _POINTER, "value": healthcheck.run_at},
        {"op": "remove", "path": _POINTER},
    ]
    try:
        await cluster.patch(path_of(healthcheck.namespace, healthcheck.name), operations)
    except ClusterError as exc:
        if exc.status_code in (404, 422):
            return False
        raise
    return True


async def _run_in_turn(cluster: Cluster, healthcheck: HealthCheck, organization_id: int, check_id: int) -> None:
    async with _turns:
        await _run(cluster, healthcheck, organization_id, check_id)


async def _run(cluster: Cluster, healthcheck: HealthCheck, organization_id: int, check_id: int) -> None:
    try:
        run_id, _, timeout = await request_run(organization_id, check_id)
        row = await wait_for_run(organization_id, run_id, timeout + GRACE)
        if row["finished_at"] is None:
            report = Report(is_warning=True, reason="RunTimedOut", action="Run", note="no worker took the run in time")
        else:
            outcome = OUTCOMES[row["outcome"]]
            note = f"{outcome} in {row['duration_us'] / 1000:.0f} ms" + (
                f": {row['message']}" if row["message"] else ""
            )
            report = Report(is_warning=outcome != "SUCCESS", reason="RunFinished", action="Run", note=note)
        await send_report(cluster, healthcheck, report)
    except Exception as exc:
        _logger.warning("run_failed", object=str(healthcheck), error=type(exc).__name__)
