"""Many subscribers that cost little: some note when each event came, the others only count, ten times a second.

Else the clients would need more of the machine than the server that is measured.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Sequence
from functools import partial
from typing import cast
from uuid import uuid4

from websockets.frames import Frame, Opcode

_NEXT = b'"type":"next"'
_ACKNOWLEDGED = b'"connection_ack"'
_CONNECT_AT_ONCE = 50
# One in so many notes when its events came. They are spread over the order in which the server serves them.
_WATCHED = 20
# The others take turns, a few at a time, so that those who are watched are not kept waiting by this process.
_TURNS = 100
_TURN_SECONDS = 0.0025


class Audience:
    """Subscribers of one server. The k-th event of each of them is the k-th that happened."""

    def __init__(self, query: str, token: str = "") -> None:
        self.query = query
        self.token = token
        self.subscribers: list[_Subscriber] = []
        self.happened: list[float] = []
        self.latencies: list[float] = []

    async def join(self, port: int, count: int) -> None:
        """Open so many sockets and subscribe on each."""
        loop = asyncio.get_running_loop()
        for start in range(0, count, _CONNECT_AT_ONCE):
            for number in range(start, min(start + _CONNECT_AT_ONCE, count)):
                watched = number % _WATCHED == 0
                _, subscriber = await loop.create_connection(partial(_Subscriber, self, watched), "127.0.0.1", port)
                self.subscribers.append(subscriber)
            await asyncio.gather(*(subscriber.subscribed.wait() for subscriber in self.subscribers[start:]))
        self._counting = asyncio.create_task(self._count())

    async def _count(self) -> None:
        """Let the others read what has come since their last turn."""
        while True:
            for turn in range(_TURNS):
                await asyncio.sleep(_TURN_SECONDS)
                for subscriber in self.subscribers[turn::_TURNS]:
                    subscriber.transport.resume_reading()

    async def received(self, count: int) -> None:
        """Wait until each subscriber has so many events in all."""
        async with asyncio.timeout(30):
            while any(subscriber.events < count for subscriber in self.subscribers):  # noqa: ASYNC110 - cheaper
                await asyncio.sleep(0.05)

    def leave(self) -> None:
        self._counting.cancel()
        for subscriber in self.subscribers:
            subscriber.transport.abort()


class _Subscriber(asyncio.Protocol):
    def __init__(self, audience: Audience, watched: bool) -> None:
        self.audience = audience
        self._watched = watched
        self.subscribed = asyncio.Event()
        self.events = 0
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self.subscribed.is_set():
            self._count(data)
        elif _ACKNOWLEDGED in data:
            self._send(type="subscribe", id=str(uuid4()), payload={"query": self.audience.query})
            self.subscribed.set()
        else:
            self._send(type="connection_init", payload={"Authorization": f"Bearer {self.audience.token}"})

    def _send(self, **message: object) -> None:
        frame = Frame(Opcode.TEXT, json.dumps(message).encode())
        self.transport.write(frame.serialize(mask=True))

    def _count(self, data: bytes) -> None:
        data = self._rest + data
        came = data.count(_NEXT)
        # What a chunk cuts in two is counted with the next one.
        self._rest = data[1 - len(_NEXT) :]
        if self._watched:
            now = time.perf_counter()
            known = self.audience.happened[self.events : self.events + came]
            self.audience.latencies += [now - happened for happened in known]
        else:
            self.transport.pause_reading()
        self.events += came


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
