"""Ids as they leave the platform: opaque, made of a kind and numbers inside."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

_LONGEST: Final = 200


def encode(kind: str, *numbers: int) -> str:
    """Base64url, without padding, of `kind:1:2`."""
    plain = ":".join((kind, *map(str, numbers)))
    return urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def decode(text: str) -> tuple[str, tuple[int, ...]] | None:
    """The kind and the numbers; None for what `encode` never made."""
    try:
        plain = urlsafe_b64decode(text[:_LONGEST].encode("ascii") + b"==").decode("ascii")
        kind, *parts = plain.split(":")
        numbers = tuple(int(part) for part in parts)
    except ValueError:
        return None
    return (kind, numbers) if encode(kind, *numbers) == text else None
