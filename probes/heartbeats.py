"""What has reported in, read for all heartbeats that are judged at the same moment by one statement."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tocsin.database import Connection
from tocsin.domain.heartbeats import Heartbeat, Reception
from tocsin.services.heartbeats import load_heartbeats, load_reception

Known = tuple[Heartbeat, Reception | None]


class Heartbeats(Protocol):
    """Knows what has reported in."""

    async def of(self, check_id: int, *, with_payload: bool) -> Known:
        """What is known of a check, and whether reports could come in. Raises one of DATABASE_ERRORS.

        The payload of a failure always comes with it, any other only where it is asked for.
        """


class NoHeartbeats:
    """Where nothing can report in, as where a target is tried alone."""

    async def of(self, check_id: int, *, with_payload: bool) -> Known:  # noqa: ARG002 - the protocol's
        return Heartbeat(), None


class StoredHeartbeats:
    """Those of the database. Who asks while a statement is under way waits for the next one, with all others."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Connection]]) -> None:
        self._connect = connect
        self._waiting: dict[int, asyncio.Future[Known]] = {}
        self._with_payload: set[int] = set()
        self._reading: asyncio.Task[None] | None = None

    async def of(self, check_id: int, *, with_payload: bool) -> Known:
        if with_payload:
            self._with_payload.add(check_id)
        asked = self._waiting.setdefault(check_id, asyncio.get_running_loop().create_future())
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all())
        # Several slots of one check may wait for it, and one may be cancelled.
        return await asyncio.shield(asked)

    async def _read_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            with_payload, self._with_payload = self._with_payload, set()
            try:
                known = await self._read(asked, with_payload)
            except Exception as exc:
                # It is raised where it was asked.
                _fail(asked.values(), exc)
            else:
                for check_id, future in asked.items():
                    future.set_result(known[check_id])

    async def _read(self, check_ids: Collection[int], with_payload: Collection[int]) -> Mapping[int, Known]:
        async with self._connect() as connection:
            # First: what came in before it is then among the reports.
            reception = await load_reception(connection)
            heartbeats = await load_heartbeats(connection, check_ids, with_payload)
        return {check_id: (heartbeats.get(check_id, Heartbeat()), reception) for check_id in check_ids}


def _fail(asked: Collection[asyncio.Future[Known]], exc: Exception) -> None:
    for future in asked:
        future.set_exception(exc)
        future.exception()  # Whoever asked may be gone.
