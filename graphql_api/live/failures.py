"""Failures between events: whatever happens, it is tried again, for no event may be left out."""

from typing import Final

from graphql_api.errors import is_away, log_crash

RETRY_SECONDS: Final = 1.0
# No request is to blame.
_REQUEST_ID: Final = "live"


def note_failure(cause: Exception) -> None:
    """Log what is wrong with the program. That the database is away is said once, by the hub."""
    if not is_away(cause):
        log_crash(cause, _REQUEST_ID)
