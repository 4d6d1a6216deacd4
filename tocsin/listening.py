"""The addresses that the API and the receiver are to listen on."""

import errno
import socket
from dataclasses import dataclass
from typing import Any, Final

from tocsin.settings import Api, Receiver, SettingsError

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
RECEIVER_VARIABLES: Final = Names("TOCSIN_RECEIVER_HOST", "TOCSIN_RECEIVER_PORT", "=")


def require_free(listener: Api | Receiver, names: Names) -> None:
    """Raise SettingsError, with what to change, if it could not listen there now."""
    for family, address in _resolve(listener, names):
        with socket.socket(family, socket.SOCK_STREAM) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                candidate.bind(address)
            except OSError as exc:
                raise SettingsError(_explain(exc, listener, names)) from exc


def port_beside(api: Api) -> int:
    """A free port near the API's, the same one as long as it is free."""
    near = range(api.port + 1, min(api.port + 20, _LAST_PORT) + 1)
    return next((port for port in near if _is_free(Api(api.host, port))), api.port - 1)


def _is_free(listener: Api) -> bool:
    try:
        require_free(listener, VARIABLES)
    except SettingsError:
        return False
    return True


def _resolve(listener: Api | Receiver, names: Names) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        raise SettingsError(_not_here(str(exc), listener, names)) from exc
    return [(family, address) for family, _, _, _, address in found]


def _explain(exc: OSError, listener: Api | Receiver, names: Names) -> str:
    given = f"{names.port}{names.sign}"
    if exc.errno == errno.EADDRINUSE:
        other = listener.port + 1 if listener.port < _LAST_PORT else listener.port - 1
        return (
            f"{given}{listener.port} on {listener.host} is taken by another program; choose another one, "
            f"such as {given}{other}"
        )
    if exc.errno == errno.EACCES:
        return f"{given}{listener.port} is for root alone; choose one above 1023, such as {given}8000"
    return _not_here(str(exc.strerror), listener, names)


def _not_here(reason: str, listener: Api | Receiver, names: Names) -> str:
    given = f"{names.host}{names.sign}{listener.host}"
    return f"{given} is no address of this machine ({reason}); use 127.0.0.1 or 0.0.0.0"


def url_of(listener: Api | Receiver) -> str:
    """How a program on this machine reaches it."""
    host = "127.0.0.1" if listener.host in _EVERYWHERE else listener.host
    return f"http://[{host}]:{listener.port}" if ":" in host else f"http://{host}:{listener.port}"
