"""Where this worker probes from: known under a name, with canaries that tell an outage of its own from the targets'."""

import asyncio
from typing import Final

from probes.canaries import Canaries
from tocsin.clock import PlatformClock
from tocsin.database import Pool
from tocsin.running import lent, survive
from tocsin.services.locations import register_location, show_location

# A location counts as living for half a minute.
SHOW_SECONDS: Final = 5.0


class Location:
    """A location's name, and its id once it is registered."""

    def __init__(self, pool: Pool, clock: PlatformClock, name: str, canaries: Canaries) -> None:
        self.name = name
        self.id = 0
        self.canaries = canaries
        self._pool = pool
        self._clock = clock
        self._was_impaired = False

    async def register(self) -> None:
        """Make the location known; nothing can be taken before."""
        async with lent(self._pool) as connection:
            await self._clock.read(connection)
            self.id = await register_location(connection, self.name)

    async def show_life(self) -> None:
        """Say now and then that a worker lives here, and what it reaches, until cancelled."""
        while True:
            await asyncio.sleep(SHOW_SECONDS)
            if self.canaries.impaired_since is not None:
                await self.canaries.ask()
            await survive(self._show(), "location_not_shown")

    async def _show(self) -> None:
        impaired_since = self.canaries.impaired_since
        recovered = self._was_impaired and impaired_since is None
        async with lent(self._pool) as connection:
            await show_location(connection, self.id, impaired_since, recovered=recovered)
        self._was_impaired = impaired_since is not None
