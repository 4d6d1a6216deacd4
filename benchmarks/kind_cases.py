"""The cases of `benchmarks.kinds`: a target that is well, of each kind, on a real server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.servers.credentials import PASSWORD, USER
from tests.servers.graphql import GraphqlServer
from tests.servers.grpc_health import GrpcHealth
from tests.servers.mariadb import MariaDb
from tests.servers.mosquitto import Mosquitto
from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.redis import Valkey
from tests.servers.unbound import Unbound
from tests.servers.websocket import WebSocketServer

_LOGIN: Final = {"user": USER, "password": PASSWORD}


@dataclass(frozen=True, slots=True)
class Case:
    """A kind on a server; `module` is blackbox_exporter's for the same, `address` what it is given."""

    kind: str
    server: type[LoopbackServer]
    fields: Callable[[Any], Mapping[str, Any]]
    module: str | None = None
    address: Callable[[Any], str] = lambda server: f"{ADDRESS}:{server.ports['plain']}"


def _at(port: str, **more: Any) -> Callable[[LoopbackServer], Mapping[str, Any]]:  # noqa: ANN401 - fields of models
    return lambda server: {"host": ADDRESS, "port": server.ports[port], **more}


def _port(server: LoopbackServer) -> Mapping[str, int]:
    return {"port": server.ports["plain"]}


def _certificate(nginx: Nginx) -> Mapping[str, Any]:
    options = {"ca": nginx.credentials.ca}
    return {"host": ADDRESS, "port": nginx.ports["tls"], "options": options, "minimum_days": 7}


def _sql(dialect: str) -> Callable[[Postgres | MariaDb], Mapping[str, Any]]:
    place = {"dialect": dialect, "host": ADDRESS, "database": "shop", "query": "SELECT count(*) FROM orders", **_LOGIN}
    return lambda server: {**place, "port": server.port, "expected_value": "2"}


def _url(**more: Any) -> Callable[[Nginx], Mapping[str, Any]]:  # noqa: ANN401
    return lambda nginx: {"url": nginx.url("/"), **more}


def _secured_url(**more: Any) -> Callable[[Nginx], Mapping[str, Any]]:  # noqa: ANN401
    return lambda nginx: {"url": nginx.url("/", "https"), "tls": {"ca": nginx.credentials.ca}, **more}


CASES: Final[Mapping[str, Case]] = {
    "http": Case("http", Nginx, _url(), "http_2xx", lambda nginx: nginx.url("/")),
    "http, body searched": Case("http", Nginx, _url(body_contains="hello")),
    "http, body asserted": Case(
        "http",
        Nginx,
        _url(assertions=[{"source": "BODY", "operator": "STARTS_WITH", "value": "hello"}]),
    ),
    "https": Case("http", Nginx, _secured_url()),
    "https, HTTP/2": Case("http", Nginx, _secured_url(http_version="HTTP_2")),
    "tcp": Case("tcp", Nginx, _at("plain"), "tcp_connect"),
    "tls": Case("tls", Nginx, _certificate),
    "grpc": Case("grpc", GrpcHealth, _at("plain"), "grpc"),
    "sql, PostgreSQL": Case("sql", Postgres, _sql("POSTGRESQL")),
    "sql, MariaDB": Case("sql", MariaDb, _sql("MYSQL")),
    "dns": Case("dns", Unbound, lambda unbound: {"name": "example.test", "server": ADDRESS, **_port(unbound)}),
    "icmp": Case("icmp", Nginx, lambda _: {"host": ADDRESS, "count": 1}),
    "mqtt": Case("mqtt", Mosquitto, _at("plain", topic="tocsin/benchmark", **_LOGIN)),
    "websocket": Case(
        "websocket", WebSocketServer, lambda server: {"url": f"ws://{ADDRESS}:{server.ports['plain']}/echo"}
    ),
    "graphql": Case("graphql", GraphqlServer, lambda server: {"url": server.url, "query": "{ __typename }"}),
    "redis": Case("redis", Valkey, _at("plain", key_prefix="tocsin:", **_LOGIN)),
}
