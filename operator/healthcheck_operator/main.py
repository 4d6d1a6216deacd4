"""`tocsin operator`: keeps HealthCheck objects and the database in step, while this replica leads."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any, Final

import structlog
import uvloop

from healthcheck_operator import metrics
from healthcheck_operator.cluster import open_cluster
from healthcheck_operator.leadership import Leadership
from healthcheck_operator.session import Environment, MissingDefinitionError, Session
from tocsin.database import Role, orm
from tocsin.kubernetes import NoClusterError, find_cluster
from tocsin.pulse import Pulse
from tocsin.settings import Settings
from tocsin.telemetry import exit_with, start_telemetry

# Between two terms, so that what fails at once does not fail a hundred times a second.
_PAUSE_SECONDS: Final = 2.0

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def serve(settings: Settings, pulse: Pulse) -> None:
    """Stand for leader and lead, again and again, until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    info = find_cluster()
    namespace = settings.operator.namespace or info.default_namespace or "default"
    async with orm(settings.servers.database_url, Role.OPERATOR), open_cluster(info) as cluster:
        environment = Environment(cluster, settings, pulse)
        leadership = Leadership(environment.cluster, namespace, pulse)
        while not stopped.is_set():
            await _serve_term(environment, leadership, stopped)


async def _serve_term(environment: Environment, leadership: Leadership, stopped: asyncio.Event) -> None:
    try:
        if await _before(stopped, leadership.acquire()):
            metrics.LEADING.set(1)
            await Session(environment).run(leadership.hold(), _wait(stopped))
    except MissingDefinitionError as exc:
        _logger.warning("definition_missing", problem=str(exc))
    except Exception:
        # Whatever it was, the next term starts from what the cluster and the database hold.
        _logger.exception("term_failed")
    finally:
        metrics.LEADING.set(0)
        await leadership.release()
    await _before(stopped, asyncio.sleep(_PAUSE_SECONDS))


async def _wait(stopped: asyncio.Event) -> None:
    await stopped.wait()


async def _before(stopped: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work ended before the signal came; it is cancelled otherwise. Raises what the work does."""
    tasks = [asyncio.create_task(work), asyncio.create_task(_wait(stopped))]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    return not stopped.is_set()


def main() -> None:
    """Run until a signal comes."""
    pulse = Pulse()
    settings = start_telemetry("operator", os.environ, pulse)
    # kopf tells of every object that it passes on.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # That it has no signals in a thread of its own.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    try:
        uvloop.run(serve(settings, pulse))
    except NoClusterError as exc:
        exit_with(str(exc))


if __name__ == "__main__":
    main()
