"""What keeps a watcher from watching."""

from typing import Final

TOKEN_REMEDY: Final = "make one with `tocsin token create --name NAME`, and set TOCSIN_TOKEN or give --token"  # noqa: S105


class WatchError(Exception):
    """Watching is not possible; one line for a person, with what helps."""


class ApiAwayError(Exception):
    """The API does not answer as it should at present; trying again may help."""


class WrongAddressError(ApiAwayError):
    """What answers there refuses for good. Trying again helps only where the API was before, as while it is renewed."""


class CursorExpiredError(Exception):
    """What was missed is no longer kept."""
