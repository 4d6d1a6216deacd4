"""The client that real programs use, npm's graphql-ws on Node, as a child process."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "graphql-ws"
_INSTALL_SECONDS = 180
_KINDS = ("checkResults", "statusChanges", "incidentEvents")


def installed_client() -> list[str]:
    """The command of the client, installed if it was not. Without Node, tests skip at home and fail in CI."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _miss("Node and npm are needed to test with npm's graphql-ws")
        raise AssertionError
    if not (FOLDER / "node_modules" / "graphql-ws").is_dir():
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        installing = subprocess.run(
            command, cwd=FOLDER, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
        if installing.returncode != 0:
            _miss(f"npm ci failed: {installing.stderr[-500:]}")
    return [node, str(FOLDER / "client.js")]


def _miss(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class NodeClient:
    """What the client has seen so far, by subscription."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.connections = 0
        self.made: dict[str, str] = {}
        self.seen: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _KINDS}

    async def until_made(self) -> None:
        """Read until the site and the check are made."""
        while not self.made:
            await self._read()

    async def until(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Read until a subscription has brought so many events."""
        while len(self.seen[kind]) < count:
            await self._read()
        return self.seen[kind]

    async def until_connected(self, times: int) -> None:
        while self.connections < times:
            await self._read()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        assert line, "the client has ended"
        ((name, value),) = json.loads(line).items()
        assert name != "failed", value
        if name == "connected":
            self.connections += 1
        elif name == "made":
            self.made = value
        else:
            self.seen[name].append(value)


@asynccontextmanager
async def node_client(url: str, token: str, check: dict[str, Any]) -> AsyncIterator[NodeClient]:
    """Run the client against the API at an http URL; `check` holds fields of `createCheck` besides site and name."""
    settings = {"url": url.replace("http", "ws", 1) + "/graphql", "token": token, "check": check}
    process = await asyncio.create_subprocess_exec(
        *installed_client(), json.dumps(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**20
    )
    try:
        yield NodeClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
