"""`probe_*` for Prometheus: how each check of an organization is, for whoever shows one of its tokens."""

import asyncio
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import asyncpg

from graphql_api.probe_exposition import Exposition
from graphql_api.view import Gate
from tocsin.database import read_transaction
from tocsin.services.accounts import Principal
from tocsin.services.newest_results import Place, newest_results

# Whoever asks more often gets the same text: it costs some seconds of a core for so many results.
REMEMBERED_SECONDS: Final = 10.0
MOST_RESULTS: Final = 50_000
# So many are read and written at a time, within some milliseconds, before others have their turn.
_PAGE: Final = 500
_GZIP: Final = 16 + zlib.MAX_WBITS
_FASTEST: Final = 1


@dataclass(slots=True)
class _Look:
    """A text, compressed, that is made or was made; `made_at` by the monotonic clock."""

    made_at: float
    text: asyncio.Task[bytes]


class ProbeMetrics:
    """Keeps what was told of each organization for a while, and makes it once for all who ask at the same time."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._looks: dict[int, _Look] = {}
        # One text at a time, as each may take a hundred megabytes while it is made.
        self._making = asyncio.Lock()

    async def compressed(self, authorization: str) -> bytes:
        """The text for whoever shows a token, compressed by gzip. Raises RefusedRequestError."""
        principal = await self._gate.enter(authorization)
        now = time.monotonic()
        self._forget_before(now - REMEMBERED_SECONDS)
        if principal.organization_id not in self._looks:
            self._looks[principal.organization_id] = _Look(now, asyncio.create_task(self._make(principal)))
        return await asyncio.shield(self._looks[principal.organization_id].text)

    async def _make(self, principal: Principal) -> bytes:
        async with self._making:
            return await _text(principal)

    def _forget_before(self, instant: float) -> None:
        for key, look in list(self._looks.items()):
            if look.text.done() and (look.made_at < instant or look.text.cancelled() or look.text.exception()):
                del self._looks[key]


async def _text(principal: Principal) -> bytes:
    exposition = Exposition(principal.organization_name)
    left, after = MOST_RESULTS, (0, 0)
    async with read_transaction(principal.organization_id) as connection:
        while left > 0 and (rows := await newest_results(connection, after, min(_PAGE, left))):
            exposition.add(rows)
            left, after = left - len(rows), _place(rows[-1])
    return await asyncio.to_thread(_compressed, exposition.parts())


def _place(row: asyncpg.Record) -> Place:
    return row["check_id"], row["location_id"]


def _compressed(parts: Iterable[str]) -> bytes:
    compressor = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
    return b"".join([*(compressor.compress(part.encode()) for part in parts), compressor.flush()])


def decompressed(compressed: bytes) -> bytes:
    return zlib.decompress(compressed, _GZIP)
