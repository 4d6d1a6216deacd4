"""Datagrams to one address and port, and those that come back from it."""

import asyncio
import socket
from types import TracebackType
from typing import Final, Self

from probes.failures import ProbeFailure
from tocsin.domain.observations import Reason

_MOST_BYTES: Final = 65_535
# A peer that sends more of them than anybody needs is a flood, in which an answer would be a matter of luck.
_MOST_DATAGRAMS: Final = 200


class Datagrams:
    """A UDP socket of its own, connected, so that the kernel drops what others send, and says when nobody listens.

    Raises ProbeFailure with CONNECT where the port is closed or cannot be reached, with PROTOCOL in a flood.
    """

    def __init__(self, address: str, port: int) -> None:
        self._place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self._left = _MOST_DATAGRAMS
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect((address, port))
        except OSError as exc:
            self._socket.close()
            raise self._failure(exc) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except BlockingIOError:
            return  # As lost as on the way.
        except OSError as exc:
            raise self._failure(exc) from exc

    async def receive(self) -> bytes:
        """The next datagram, after everybody else had a turn."""
        self._left -= 1
        if self._left < 0:
            raise ProbeFailure(
                Reason.PROTOCOL, f"{self._place} sent {_MOST_DATAGRAMS} datagrams, and none that was expected"
            )
        await asyncio.sleep(0)
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, _MOST_BYTES)
        except OSError as exc:
            raise self._failure(exc) from exc

    def _failure(self, exc: OSError) -> ProbeFailure:
        if isinstance(exc, ConnectionRefusedError):
            return ProbeFailure(Reason.CONNECT, f"{self._place} refused the datagram: nobody listens there")
        words = (exc.strerror or "unknown error").lower()
        return ProbeFailure(Reason.CONNECT, f"could not send to {self._place}: {words}")
