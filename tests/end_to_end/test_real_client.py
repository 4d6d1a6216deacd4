"""From a mutation to a live event: npm's graphql-ws against the whole platform, cut off again and again."""

import asyncio
import json
import os
import shutil
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.conftest import open_folder
from tests.up.platform import Platform, platform

CLIENT = Path(__file__).parent.parent / "clients" / "graphql-ws"
CUTS = 20


class Target:
    """What the check watches; it answers 503 while it is down."""

    def __init__(self) -> None:
        self.is_down = False

    async def answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = b"503 Down" if self.is_down else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()


class Cutter:
    """A way to the API that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[StreamWriter] = set()

    async def lead(self, reader: StreamReader, writer: StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, there_writer}
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        self._writers -= {writer, there_writer}

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def serving(handler: Any) -> AsyncIterator[int]:
    async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


class Client:
    """The script in Node, and what it has seen so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(json.loads(line))

    def seen(self, name: str) -> list[Any]:
        return [line[name] for line in self.lines if name in line]

    async def until(self, name: str, wanted: dict[str, Any]) -> None:
        """Wait for an event that shows this."""
        async with asyncio.timeout(30):
            while not any(wanted.items() <= event.items() for event in self.seen(name)):
                assert self.process.returncode is None, self.lines[-3:]
                await asyncio.sleep(0.05)


@asynccontextmanager
async def following(settings: dict[str, Any]) -> AsyncIterator[Client]:
    process = await asyncio.create_subprocess_exec(
        "node",
        "client.js",
        json.dumps(settings),
        cwd=CLIENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    client = Client(process)
    reading = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


@pytest.fixture
def node() -> None:
    if shutil.which("node") and (CLIENT / "node_modules").is_dir():
        return
    reason = "Node is missing, or `npm ci` has not run in tests/clients/graphql-ws"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.usefixtures("node")
async def test_a_client_that_is_cut_off_twenty_times_misses_nothing() -> None:
    target = Target()
    with open_folder() as folder, platform(folder, "--no-demo") as running:
        await asyncio.to_thread(running.wait_until_greeted)
        cutter = Cutter(running.port)
        async with serving(target.answer) as target_port, serving(cutter.lead) as port:
            await watch_a_target_go_and_come(running, target, cutter, port, target_port)
        assert running.end(15) == 0


async def watch_a_target_go_and_come(
    running: Platform, target: Target, cutter: Cutter, port: int, target_port: int
) -> None:
    check = {
        "target": {"http": {"url": f"http://127.0.0.1:{target_port}/"}},
        "intervalSeconds": 1,
        "failureThreshold": 2,
        "successThreshold": 2,
    }
    settings = {"url": f"ws://127.0.0.1:{port}/graphql", "token": running.token, "check": check}
    async with following(settings) as client:
        await client.until("statusChanges", {"to": "UP"})
        target.is_down = True
        cutting = asyncio.create_task(cut_often(cutter))
        await client.until("incidentEvents", {"kind": "OPENED"})
        target.is_down = False
        await client.until("incidentEvents", {"kind": "RESOLVED"})
        await cutting
        await client.until("checkResults", {"result": await newest_result(running)})
        assert [event["to"] for event in client.seen("statusChanges")] == ["UP", "DOWN", "UP"]
        assert [event["kind"] for event in client.seen("incidentEvents")] == ["OPENED", "RESOLVED"]
        slots = [event["result"]["slot"] for event in client.seen("checkResults")]
        stored = [result["slot"] for result in reversed(await results(running))]
        assert slots[: len(stored)] == stored
        assert len(client.seen("connected")) > CUTS


async def cut_often(cutter: Cutter) -> None:
    for _ in range(CUTS):
        await asyncio.sleep(0.4)
        cutter.cut()


async def results(running: Platform) -> list[dict[str, Any]]:
    query = "{ checks(first: 1) { nodes { results(first: 100) { nodes { slot outcome reason } } } } }"
    data: Any = await asyncio.to_thread(running.ask, query)
    found: list[dict[str, Any]] = data["checks"]["nodes"][0]["results"]["nodes"]
    return found


async def newest_result(running: Platform) -> dict[str, Any]:
    return (await results(running))[0]
