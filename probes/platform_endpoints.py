"""The platform's own servers, which no probe may reach."""

import socket
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from probes.egress import Endpoint
from tocsin.settings import Settings

_DEFAULT_PORTS = {"postgres": 5432, "postgresql": 5432, "redis": 6379, "rediss": 6379}


def platform_endpoints(settings: Settings) -> frozenset[Endpoint]:
    """The addresses and ports of the database, Redis and the listeners; a name counts with all its addresses."""
    servers = [urlsplit(url) for url in (settings.servers.database_url, settings.servers.redis_url)]
    named = [(url.hostname, _port(url)) for url in servers if url.hostname is not None]
    listeners = [(listener.host, listener.port) for listener in (settings.api, settings.receiver)]
    if settings.metrics_port is not None:
        listeners.append(("0.0.0.0", settings.metrics_port))  # noqa: S104 - nothing is bound here
    return frozenset(_resolve([*named, *listeners]))


def _port(url: SplitResult) -> int:
    return url.port or _DEFAULT_PORTS[url.scheme]


def _resolve(endpoints: Iterable[tuple[str, int]]) -> Iterable[Endpoint]:
    for host, port in endpoints:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror:  # a name that does not resolve is no way in
            continue
        yield from ((str(address[0]), port) for *_, address in found)
