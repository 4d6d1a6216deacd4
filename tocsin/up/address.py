"""The address that the API is to listen on."""

import errno
import socket
from typing import Any, Final

from tocsin.settings import Api, SettingsError

_EVERYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound


def require_free(api: Api) -> None:
    """Raise SettingsError, with the option to change, if the API could not listen there now."""
    for family, address in _resolve(api.host, api.port):
        with socket.socket(family, socket.SOCK_STREAM) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                candidate.bind(address)
            except OSError as exc:
                raise SettingsError(_explain(exc, api.host, api.port)) from exc


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        raise SettingsError(f"--host {host} is no address of this machine ({exc}); use 127.0.0.1 or 0.0.0.0") from exc
    return [(family, address) for family, _, _, _, address in found]


def _explain(exc: OSError, host: str, port: int) -> str:
    if exc.errno == errno.EADDRINUSE:
        return f"--port {port} on {host} is taken by another program; choose another one, such as --port {port + 1}"
    if exc.errno == errno.EACCES:
        return f"--port {port} is for root alone; choose one above 1023, such as --port 8000"
    return f"--host {host} is no address of this machine ({exc.strerror}); use 127.0.0.1 or 0.0.0.0"


def url_of(api: Api) -> str:
    """How a browser on this machine reaches the API."""
    host = "127.0.0.1" if api.host in _EVERYWHERE else api.host
    return f"http://[{host}]:{api.port}" if ":" in host else f"http://{host}:{api.port}"
