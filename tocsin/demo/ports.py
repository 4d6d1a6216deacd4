"""Which ports the demo's targets listen on: the same ones at every start, unless another program took them."""

import socket
from dataclasses import astuple, dataclass
from typing import Final

from tocsin.demo.targets import ADDRESS

# Below the range from which systems give ports to outgoing connections.
_FIRST: Final = 18_080
_LAST: Final = 18_980


@dataclass(frozen=True)
class Ports:
    """The ports of the demo's targets."""

    http: int
    tls: int
    tcp: int

    @property
    def are_free(self) -> bool:
        return all(_is_free(port) for port in astuple(self))


def choose_ports() -> Ports:
    """Three free ports in a row. Raises OSError when there are none."""
    for first in range(_FIRST, _LAST, 3):
        ports = Ports(first, first + 1, first + 2)
        if ports.are_free:
            return ports
    raise OSError(f"no free ports from {_FIRST} to {_LAST} for the demo's targets")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((ADDRESS, port))
        except OSError:
            return False
    return True
