"""The API as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from graphql_api.context import Hints
from graphql_api.front_page import front_route
from graphql_api.live.entry import Entry
from graphql_api.live.routes import live_routes
from graphql_api.operations import operation_routes
from graphql_api.probe_metrics import ProbeMetrics
from graphql_api.request_telemetry import RequestTelemetry
from graphql_api.schema import schema
from graphql_api.view import Gate, GraphQLView
from tocsin.database import Role, orm
from tocsin.doorbell import Doorbell
from tocsin.encryption import KeyRing
from tocsin.listening import url_of
from tocsin.queue import PROBE_RUN, HintSender
from tocsin.rate_limit import RateLimiter
from tocsin.services.accounts import Authenticator
from tocsin.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Make the application; it opens its connections when the server starts it."""
    doorbell = Doorbell(settings.servers.redis_url)
    sender = HintSender(settings.servers.redis_url)
    hints = Hints(ring=doorbell.ring, hint_run=lambda hint: sender.send(PROBE_RUN, [hint]))
    receiver_url = settings.receiver.url or url_of(settings.receiver)
    gate = Gate(Authenticator(), hints, RateLimiter(), KeyRing(settings.encryption.keys), receiver_url)
    entry = Entry(schema, gate, doorbell, settings.api.allowed_origins)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with orm(settings.servers.database_url, Role.API), doorbell, entry.running():
            try:
                yield
            finally:
                sender.close()

    probe_metrics = ProbeMetrics(gate) if settings.api.probe_metrics else None
    app = Starlette(
        routes=[
            Route("/graphql", GraphQLView(gate)),
            *live_routes(entry),
            *operation_routes(settings, probe_metrics),
            front_route(),
        ],
        middleware=[Middleware(RequestTelemetry)],
        lifespan=lifespan,
    )
    app.state.entry = entry
    return app
