"""One connection through the fault proxy: HTTP/1.1 on both sides, request by request."""

import asyncio
from collections.abc import Awaitable, Callable

import h11

from tests.kubernetes.faults import Answer, Faults, Request

CHUNK_BYTES = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Side:
    """The client or the API server: a connection, and where HTTP stands on it."""

    def __init__(self, streams: Streams, role: type[h11.CLIENT] | type[h11.SERVER]) -> None:
        self.reader, self.writer = streams
        self.http = h11.Connection(role)

    async def receive(self) -> h11.Event:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.reader.read(CHUNK_BYTES))
        assert isinstance(event, h11.Event)
        return event

    async def send(self, event: h11.Event) -> None:
        self.writer.write(self.http.send(event) or b"")
        await self.writer.drain()


class Relay:
    """`request` is the latest one that has come."""

    def __init__(self, client: Streams, open_upstream: Callable[[], Awaitable[Streams]], faults: Faults) -> None:
        self.request: Request | None = None
        self._client = Side(client, h11.SERVER)
        self._open_upstream = open_upstream
        self._upstream: Side | None = None
        self._faults = faults

    async def run(self) -> None:
        """Serve until one side ends the connection; a cancelled one breaks on both sides."""
        try:
            while await self._exchange():
                pass
        except (OSError, h11.ProtocolError):
            pass
        except asyncio.CancelledError:
            for side in self._sides():
                side.writer.transport.abort()
            raise
        finally:
            for side in self._sides():
                side.writer.close()

    async def _exchange(self) -> bool:
        """One request and its answer; False when it was the last."""
        event = await self._client.receive()
        if not isinstance(event, h11.Request):
            return False
        self.request = Request(event.method.decode(), event.target.decode())
        if answer := await self._faults.befall(self.request):
            await self._answer(answer)
        else:
            await self._pass_on(event, self.request)
        return self._is_ready_for_next()

    async def _answer(self, answer: Answer) -> None:
        while not isinstance(await self._client.receive(), h11.EndOfMessage):
            pass
        await self._client.send(h11.Response(status_code=answer.status, headers=answer.headers))
        await self._client.send(h11.Data(answer.content))
        await self._client.send(h11.EndOfMessage())

    async def _pass_on(self, event: h11.Event, request: Request) -> None:
        upstream = self._upstream = self._upstream or Side(await self._open_upstream(), h11.CLIENT)
        await upstream.send(event)
        while not isinstance(event, h11.EndOfMessage):
            event = await self._client.receive()
            await upstream.send(event)
        while not isinstance(event := await upstream.receive(), h11.EndOfMessage):
            await self._faults.until_let_through(request)
            await self._client.send(event)
        await self._client.send(event)

    def _is_ready_for_next(self) -> bool:
        for side in self._sides():
            if side.http.our_state is side.http.their_state is h11.DONE:
                side.http.start_next_cycle()
        return all(side.http.our_state is h11.IDLE for side in self._sides())

    def _sides(self) -> list[Side]:
        return [side for side in (self._client, self._upstream) if side]
