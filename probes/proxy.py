"""The HTTP proxy of an installation."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it listens, and the header by which it knows us."""

    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """From a URL as the settings have it, whose user and password may be percent-encoded."""
        parts = urlsplit(url)
        if parts.username is None:
            return cls(parts.hostname or "", parts.port or 80)
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return cls(parts.hostname or "", parts.port or 80, b"Basic " + b64encode(pair))
