"""The API's process: `python -m graphql_api.main`."""

import os
import signal
import socket
from typing import Final

import structlog
import uvicorn

from graphql_api.app import create_app
from graphql_api.live.wire import UVICORN_OPTIONS
from tocsin.listening import VARIABLES, require_free
from tocsin.logs import configure_logging
from tocsin.problems import exit_plainly
from tocsin.settings import Settings, read_settings

# How long requests may go on after a stop. Subscriptions never end by themselves: their clients come back and replay.
DRAIN_SECONDS: Final = 5

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def main() -> None:
    """Read the settings from the environment and serve until a signal comes."""
    with exit_plainly():
        settings = read_settings(os.environ)
        # uvicorn would say no more than a number.
        require_free(settings.api, VARIABLES)
    configure_logging("api", settings.log_format)
    # uvicorn raises the signal again after its shutdown; the process has ended well by then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = make_server(settings)
    server.run()
    if not server.started:
        raise SystemExit(1)


class Server(uvicorn.Server):
    """Says in our own words where it listens, and waits for no stream of events when it stops."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _logger.info("listening", host=self.config.host, port=self.config.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.entry.end_streams()  # type: ignore[union-attr]  # the application of create_app
        await super().shutdown(sockets)


def make_server(settings: Settings) -> Server:
    """The HTTP and WebSocket server of the API."""
    return Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.api.host,
            port=settings.api.port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            **UVICORN_OPTIONS,
        )
    )


if __name__ == "__main__":
    main()
