"""Host names and ports, as every kind of target takes them."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_host_name(host: str) -> bool:
    try:
        ascii_host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return False
    labels = ascii_host.removesuffix(".").split(".")
    return len(ascii_host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)


def validate_host(host: str) -> str:
    """Return the host unchanged. Raises ValueError for what is neither a host name nor an IP address."""
    if _is_ip_address(host) or _is_host_name(host):
        return host
    raise ValueError("must be a host name such as example.com, or an IP address without brackets")


def host_in_url(host: str) -> str:
    """An IPv6 address stands in brackets in a URL or before a port."""
    return f"[{host}]" if _is_ip_address(host) and isinstance(ip_address(host), IPv6Address) else host


Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(validate_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
