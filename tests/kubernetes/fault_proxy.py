"""A proxy before the API server in which things go wrong when a test says so. TLS ends in it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import Faults
from tests.kubernetes.relay import Relay, Streams
from tests.kubernetes.servers import ADDRESS


class FaultProxy:
    """Passes on everything, but for what `faults` are ordered, and can break connections and refuse them.

    It runs in the test's event loop: a program that uses it and is waited for belongs into `asyncio.to_thread`.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.faults = Faults()
        self._cluster = cluster
        self._port = 0
        self._server: asyncio.Server | None = None
        self._relays: dict[asyncio.Task[None], Relay] = {}
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(cluster.certificate_file)

    @property
    def url(self) -> str:
        return f"https://{ADDRESS}:{self._port}"

    async def accept(self) -> None:
        """Listen, at first and again after `refuse`, where the URL stays the same."""
        self._server = await asyncio.start_server(self._connect, ADDRESS, self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Break all connections and refuse new ones, as when no server runs."""
        if self._server:
            self._server.close()
        self._break(list(self._relays))
        await asyncio.gather(*self._relays, return_exceptions=True)

    def cut(self, pattern: str) -> int:
        """Break connections whose latest request matches, without a word; returns how many."""
        hit = [task for task, relay in self._relays.items() if relay.request and relay.request.matches(pattern)]
        self._break(hit)
        return len(hit)

    def _break(self, relaying: list[asyncio.Task[None]]) -> None:
        for task in relaying:
            task.cancel()

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = Relay((reader, writer), self._open_upstream, self.faults)
        task = asyncio.create_task(relay.run())
        self._relays[task] = relay
        task.add_done_callback(self._relays.pop)

    async def _open_upstream(self) -> Streams:
        return await asyncio.open_connection(ADDRESS, self._cluster.api_server.port, ssl=self._cluster.tls)


@asynccontextmanager
async def proxy_before(cluster: Cluster) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(cluster)
    await proxy.accept()
    yield proxy
    await proxy.refuse()
