"""Cursors of subscriptions: a place in the event log of one organization."""

from typing import Final

from graphql import GraphQLError

from graphql_api.pagination import invalid_argument
from tocsin.domain.global_ids import decode, encode
from tocsin.services.event_reading import Position

_KIND: Final = "event"


def cursor_of(organization_id: int, position: Position) -> str:
    return encode(_KIND, organization_id, position.number, position.item)


def position_of(organization_id: int, cursor: str) -> Position:
    """Read the argument `after`. Raises GraphQLError for what is no cursor, or one of another organization."""
    match decode(cursor):
        case (found, (owner, number, item)) if found == _KIND and 0 < number < 2**63 and -1 <= item < 2**31:
            if owner != organization_id:
                raise cursor_expired()
            return Position(number, item)
    raise invalid_argument("after", "must be a cursor that an event of a subscription gave")


def cursor_expired() -> GraphQLError:
    """The error for a place after which some events are not kept any more."""
    return GraphQLError(
        "Some events after this cursor are no longer kept: read the present state, then subscribe without it.",
        extensions={"code": "CURSOR_EXPIRED"},
    )


def cursor_unknown() -> GraphQLError:
    """The error for a place after the newest event. Clients do the same about it, so the code is the same."""
    return GraphQLError(
        "This cursor was never given out, or only before a backup was restored: "
        "read the present state, then subscribe without it.",
        extensions={"code": "CURSOR_EXPIRED"},
    )
