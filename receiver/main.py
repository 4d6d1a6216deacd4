"""The receiver's process: `python -m receiver.main`. Any number of them serve the same checks."""

import os
import signal
from typing import Final

import structlog
import uvicorn

from receiver.app import create_app
from receiver.connection import PublicConnection
from receiver.intake import Intake
from tocsin.clock import PlatformClock
from tocsin.listening import RECEIVER_VARIABLES, require_free
from tocsin.problems import exit_plainly
from tocsin.pulse import Pulse
from tocsin.settings import Settings
from tocsin.telemetry import start_telemetry

DRAIN_SECONDS: Final = 5
# A connection costs some 100 kB at worst. What is beyond it is told to try again.
MOST_CONNECTIONS: Final = 2_000
# uvicorn's own, between two requests.
IDLE_SECONDS: Final = 15

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def make_server(settings: Settings, pulse: Pulse) -> uvicorn.Server:
    """The HTTP server of the public side."""
    intake = Intake(PlatformClock(), pulse)
    return uvicorn.Server(
        uvicorn.Config(
            create_app(intake, settings.servers.database_url),
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
