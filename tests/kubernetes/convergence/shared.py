"""What several tests of a module use together: a database, a namespace with the operator's rights, and a proxy."""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import asyncpg

from tests.conftest import TEMPLATE, with_database
from tests.engine.harness import Platform, ended
from tests.kubernetes.accounts import RBAC, binding, make_account, named
from tests.kubernetes.cluster import Cluster as Servers
from tests.kubernetes.convergence.operators import RULES, SECRET_RULES, Cluster, wait_until
from tests.kubernetes.fault_proxy import FaultProxy, proxy_before
from tocsin.embedded import EmbeddedServers

P = ParamSpec("P")
T = TypeVar("T")

ACCOUNT = "tocsin-operator"
# The sweep comes often, and kopf gives up early, so that tests do not wait for them.
OFTEN = """
from healthcheck_operator import handlers, session
session.SWEEP_SECONDS = 4.0
handlers._BACKOFFS_SECONDS = (0.5, 1.0, 2.0)
"""
# A Lease that is over soon.
BRIEFLY = """
from healthcheck_operator import leadership
leadership.LEASE_SECONDS, leadership.RENEW_DEADLINE_SECONDS = 5.0, 4.0
"""


@contextmanager
def own_platform(servers: EmbeddedServers, folder: Path) -> Iterator[Platform]:
    """A platform that outlives a test."""
    for server in (servers.postgres, servers.valkey):
        if not server.is_running():
            server.start()
    name = f"tocsin_{uuid.uuid4().hex}"
    with ended(Platform(servers, with_database(servers.database_url, name), folder)) as platform:
        asyncio.run(copy_database(servers.database_url, TEMPLATE, name))
        asyncio.run(platform.prepare())
        yield platform


async def copy_database(server_url: str, source: str, name: str) -> None:
    """Put a copy in the place of the database of this name, if there is one. Nobody may use the source meanwhile."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
    finally:
        await connection.close()


@contextmanager
def own_namespace(servers: Servers) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    servers.create("/api/v1/namespaces", named(name))
    yield name
    servers.api.delete(f"/api/v1/namespaces/{name}")


def operator_token(servers: Servers, *namespaces: str) -> str:
    """The token of an account in the first of the namespaces that has the operator's rights in all of them."""
    make_account(servers, namespaces[0], ACCOUNT)
    for namespace in namespaces:
        place = f"{RBAC}/namespaces/{namespace}"
        servers.create(f"{place}/roles", named(ACCOUNT) | {"rules": [*RULES, *SECRET_RULES]})
        servers.create(f"{place}/rolebindings", binding("Role", namespaces[0], ACCOUNT, ACCOUNT))
    return servers.token_of(namespaces[0], ACCOUNT)


@dataclass(frozen=True)
class Proxied:
    """An operator that speaks with the API server through a proxy, and kubectl that does not."""

    cluster: Cluster
    proxy: FaultProxy

    async def do(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run what blocks, such as kubectl, while the proxy goes on."""
        return await asyncio.to_thread(work, *arguments, **named)

    async def until_said(self, event: str, before: int) -> None:
        """Wait until the operator has logged this more often than before."""
        await self.do(wait_until, lambda: self.times_said(event), lambda count: count > before, 60)

    def times_said(self, event: str) -> int:
        return sum(operator.said.count(f'"event":"{event}"') for operator in self.cluster.operators)


@asynccontextmanager
async def proxied_cluster(servers: Servers, cluster: Cluster) -> AsyncIterator[Proxied]:
    """The same cluster for operators that go through a proxy."""
    async with proxy_before(servers) as proxy:
        cluster.kubeconfig = servers.kubeconfig_with(operator_token(servers, cluster.namespace), proxy.url)
        yield Proxied(cluster, proxy)
        # Its connections end while somebody is there to end them.
        for process in cluster.operators:
            process.thaw()
            process.kill()
