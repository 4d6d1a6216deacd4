"""The receiver's process: `python -m receiver.main`. Any number of them serve the same checks."""

import asyncio
import os
import signal
from typing import Final

import structlog
import uvicorn

from receiver.app import Door, create_app
from receiver.connection import PublicConnection
from receiver.intake import Intake
from receiver.topics import Topics
from tocsin.clock import PlatformClock
from tocsin.database import Role
from tocsin.listening import RECEIVER_VARIABLES, require_free
from tocsin.problems import exit_plainly
from tocsin.pulse import Pulse
from tocsin.rate_limit import RateLimiter
from tocsin.running import pool_when_ready
from tocsin.settings import Settings
from tocsin.telemetry import start_telemetry

# Of one key, by HTTP and MQTT: no job reports more often, but many may begin at once.
REPORTS_PER_SECOND: Final = 1.0
REPORT_BURST: Final = 60
DRAIN_SECONDS: Final = 5
# A connection costs some 100 kB at worst. What is beyond it is told to try again.
MOST_CONNECTIONS: Final = 2_000
# uvicorn's own, between two requests.
IDLE_SECONDS: Final = 15

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def make_server(settings: Settings, pulse: Pulse) -> uvicorn.Server:
    """The HTTP server of the public side, and what goes on beside it."""
    intake, by_key = Intake(PlatformClock(), pulse), RateLimiter(REPORTS_PER_SECOND, REPORT_BURST)
    broker, ca_file = settings.receiver.broker, settings.egress.extra_ca_file
    topics = None if broker is None else Topics(broker, intake, by_key, ca_file)
    app = create_app(Door(intake, by_key), lambda: _work(settings, intake, topics))
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.receiver.host,
            port=settings.receiver.port,
            http=PublicConnection,
            ws="none",
            lifespan="on",
            log_config=None,
            # It would repeat what strangers send.
            log_level="critical",
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            proxy_headers=bool(settings.receiver.trusted_proxies),
            forwarded_allow_ips=list(settings.receiver.trusted_proxies),
        )
    )


async def _work(settings: Settings, intake: Intake, topics: Topics | None) -> None:
    """Store what comes in, from when the database is there."""
    never = asyncio.Event()
    async with (
        pool_when_ready(never, settings.servers.database_url, Role.RECEIVER, connections=3) as pool,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(intake.run(pool))
        if topics is not None:
            group.create_task(topics.run(pool))


def main() -> None:
    """Read the settings from the environment and serve until a signal comes."""
    pulse = Pulse()
    settings = start_telemetry("receiver", os.environ, pulse)
    with exit_plainly():
        # uvicorn would say no more than a number.
        require_free(settings.receiver, RECEIVER_VARIABLES)
    # uvicorn raises the signal again after its shutdown; the process has ended well by then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = make_server(settings, pulse)
    _logger.info("receiving", host=settings.receiver.host, port=settings.receiver.port)
    server.run()
    if not server.started:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
