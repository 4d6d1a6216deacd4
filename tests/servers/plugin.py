"""The fixtures of the real servers; each starts with the first test that wants it, and ends with the tests."""

from collections.abc import Iterator

import pytest

from tests.servers.blackbox import BlackboxExporter
from tests.servers.dovecot import Dovecot
from tests.servers.etcd import Etcd
from tests.servers.exim import Exim
from tests.servers.graphql import GraphqlServer
from tests.servers.grpc_health import GrpcHealth
from tests.servers.mariadb import MariaDb
from tests.servers.mosquitto import Mosquitto
from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.processes import running
from tests.servers.redis import Redis, Valkey
from tests.servers.unbound import Unbound
from tests.servers.websocket import WebSocketServer


@pytest.fixture(scope="session")
def nginx() -> Iterator[Nginx]:
    with running(Nginx) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running(Postgres) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with running(MariaDb) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with running(Valkey) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    with running(Redis) as server:
        yield server


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Mosquitto]:
    with running(Mosquitto) as server:
        yield server


@pytest.fixture(scope="session")
def exim() -> Iterator[Exim]:
    with running(Exim) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    with running(Dovecot) as server:
        yield server


@pytest.fixture(scope="session")
def unbound() -> Iterator[Unbound]:
    with running(Unbound) as server:
        yield server


@pytest.fixture(scope="session")
def grpc_health() -> Iterator[GrpcHealth]:
    with running(GrpcHealth) as server:
        yield server


@pytest.fixture(scope="session")
def websocket_server() -> Iterator[WebSocketServer]:
    with running(WebSocketServer) as server:
        yield server


@pytest.fixture(scope="session")
def blackbox_exporter() -> Iterator[BlackboxExporter]:
    with running(BlackboxExporter) as server:
        yield server


@pytest.fixture(scope="session")
def graphql_server() -> Iterator[GraphqlServer]:
    with running(GraphqlServer) as server:
        yield server


@pytest.fixture(scope="session")
def etcd() -> Iterator[Etcd]:
    with running(Etcd) as server:
        yield server
