"""Where the API is."""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from tocsin.watch.errors import WatchError

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
API_PATH: Final = "/graphql"


@dataclass(frozen=True, slots=True)
class Address:
    """A URL as it was given, and the WebSocket that it stands for."""

    url: str
    websocket_url: str
    is_local: bool

    @property
    def usual_url(self) -> str:
        """Where the API is on this host unless a proxy has it elsewhere."""
        return urlunsplit(urlsplit(self.url.strip())._replace(path=API_PATH, query="", fragment=""))


def read_address(url: str) -> Address:
    """Read a URL; without a path, that of the API is meant. Raises WatchError."""
    parts = _split(url)
    websocket = parts._replace(scheme=_SCHEMES[parts.scheme], path=parts.path.rstrip("/") or API_PATH, fragment="")
    return Address(url, urlunsplit(websocket), _is_loopback(parts.hostname or ""))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    # What is refused may hold a password, so it is not repeated.
    if not usable or parts.username is not None:
        raise WatchError("--url is no address of an API; give one such as http://127.0.0.1:8000/graphql")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
