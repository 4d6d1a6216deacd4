"""Connections to the database that die without a word: nothing hangs on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.engine.harness import Platform, Target, eventually


class Proxy:
    """Passes on what clients and PostgreSQL say, until it forgets all connections that there are."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._remembered: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()
        for task in self._tasks:
            task.cancel()

    def forget(self) -> None:
        for forgotten in self._remembered:
            forgotten.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        database_reader, database_writer = await asyncio.open_unix_connection(self._path)
        forgotten = asyncio.Event()
        self._remembered.add(forgotten)
        for source, sink in ((reader, database_writer), (database_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, sink, forgotten))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, forgotten: asyncio.Event
    ) -> None:
        try:
            while said := await source.read(65536):
                if forgotten.is_set():
                    await asyncio.Event().wait()
                sink.write(said)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


@pytest.mark.soak
async def test_connections_that_lead_nowhere_are_given_up(platform: Platform, target: tuple[int, type[Target]]) -> None:
    await platform.make_checks(100, 1, target[0])
    proxy = Proxy(str(platform.servers.postgres.socket))
    async with proxy.serving() as port:
        name = platform.database_url.partition("?")[0].rpartition("/")[2]
        url = f"postgresql://tocsin@127.0.0.1:{port}/{name}?sslmode=disable"
        for _ in range(2):
            platform.scheduler(TOCSIN_DATABASE_URL=url), platform.worker(TOCSIN_DATABASE_URL=url)
        since = await platform.until_probing()
        await asyncio.sleep(2)
        proxy.forget()
        forgotten_at = await platform.now()
        assert await eventually(lambda: platform.ask("SELECT true FROM results WHERE slot > $1", forgotten_at), 20) < 15
        await asyncio.sleep(3)
        total = await platform.settled(since)
        assert (total.silent, total.unfolded, total.missed) == ([], [], {})
        assert await platform.problems() == []
        await platform.stop()
