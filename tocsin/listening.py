"""The address that the API is to listen on."""

import errno
import socket
from dataclasses import dataclass
from typing import Any, Final

from tocsin.settings import Api, SettingsError

_EVERYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
_LAST_PORT: Final = 65_535


@dataclass(frozen=True)
class Names:
    """How a person gives the address, as in `--port 8000` or `TOCSIN_PORT=8000`."""

    host: str
    port: str
    sign: str


OPTIONS: Final = Names("--host", "--port", " ")
VARIABLES: Final = Names("TOCSIN_HOST", "TOCSIN_PORT", "=")


def require_free(api: Api, names: Names) -> None:
    """Raise SettingsError, with what to change, if the API could not listen there now."""
    for family, address in _resolve(api, names):
        with socket.socket(family, socket.SOCK_STREAM) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                candidate.bind(address)
            except OSError as exc:
                raise SettingsError(_explain(exc, api, names)) from exc


def _resolve(api: Api, names: Names) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(api.host, api.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        raise SettingsError(_not_here(str(exc), api, names)) from exc
    return [(family, address) for family, _, _, _, address in found]


def _explain(exc: OSError, api: Api, names: Names) -> str:
    given = f"{names.port}{names.sign}"
    if exc.errno == errno.EADDRINUSE:
        other = api.port + 1 if api.port < _LAST_PORT else api.port - 1
        return (
            f"{given}{api.port} on {api.host} is taken by another program; choose another one, such as {given}{other}"
        )
    if exc.errno == errno.EACCES:
        return f"{given}{api.port} is for root alone; choose one above 1023, such as {given}8000"
    return _not_here(str(exc.strerror), api, names)


def _not_here(reason: str, api: Api, names: Names) -> str:
    given = f"{names.host}{names.sign}{api.host}"
    return f"{given} is no address of this machine ({reason}); use 127.0.0.1 or 0.0.0.0"


def url_of(api: Api) -> str:
    """How a browser on this machine reaches the API."""
    host = "127.0.0.1" if api.host in _EVERYWHERE else api.host
    return f"http://[{host}]:{api.port}" if ":" in host else f"http://{host}:{api.port}"
