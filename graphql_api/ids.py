"""Global ids, as GraphQL has them."""

import strawberry

from tocsin.domain.global_ids import decode, encode

LARGEST_KEY = 2**63 - 1


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
