"""Global ids and cursors: opaque to clients, made of a kind and numbers inside."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import strawberry

LARGEST_KEY = 2**63 - 1
_LONGEST = 200


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


def key_of(kind: str, text: str) -> int | None:
    """The key in a global id; None for an id of another kind and for what is no id at all."""
    match decode(text):
        case (found, (key,)) if found == kind and 0 < key <= LARGEST_KEY:
            return key
    return None


def global_id(kind: str, key: int) -> strawberry.ID:
    return strawberry.ID(encode(kind, key))


@strawberry.interface(description="An object with a global id, which `node` finds.")
class Node:
    """What every object with an id has in common."""

    id: strawberry.ID = strawberry.field(description="Global id: opaque, and stable for ever.")
