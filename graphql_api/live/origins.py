"""Which pages may open a WebSocket: browsers ask nobody before they do."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def may_connect(headers: Mapping[str, str], allowed_origins: Collection[str]) -> bool:
    """Whether the page that an `Origin` header names is the API's own, or one that the settings allow.

    Without this header the client is no browser, and carries nothing that a page could misuse.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    asking = _address(origin)
    if asking is None:
        return False
    # TLS may end at a proxy, so the scheme is the page's own.
    own = _address(f"{asking[0]}://{headers.get('host', '')}")
    return asking == own or asking in {_address(allowed) for allowed in allowed_origins}


def _address(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no origin, such as `null`."""
    try:
        parts = urlsplit(origin)
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, port
