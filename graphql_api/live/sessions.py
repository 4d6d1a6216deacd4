"""Open connections end when the token does that opened them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from graphql_api.live.failures import note_failure
from graphql_api.view import Gate, RefusedRequestError
from tocsin.services.accounts import Authenticator

_LOOK_SECONDS: Final = 1.5


class Sessions:
    """Knows which connections each token opened, and how to end them."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._endings: dict[str, set[Callable[[], None]]] = {}

    def add(self, authorization: str, end: Callable[[], None]) -> None:
        self._endings.setdefault(authorization, set()).add(end)

    def remove(self, authorization: str, end: Callable[[], None]) -> None:
        endings = self._endings.get(authorization, set())
        endings.discard(end)
        if not endings:
            self._endings.pop(authorization, None)

    async def run(self) -> None:
        """Look at the tokens again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            # What the other one remembers would keep a connection for longer.
            gate = replace(self._gate, authenticator=Authenticator())
            for authorization in tuple(self._endings):
                await self._look_at(gate, authorization)

    async def _look_at(self, gate: Gate, authorization: str) -> None:
        try:
            await gate.enter(authorization)
        except RefusedRequestError:
            for end in tuple(self._endings.get(authorization, ())):
                end()
        except Exception as exc:  # nobody can tell now: the next look may
            note_failure(exc)
