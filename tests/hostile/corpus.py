"""All tricks, of the kinds that there are."""

from typing import Final

from tests.hostile import (
    assertion_tricks,
    broker_tricks,
    database_tricks,
    dns_tricks,
    http2_tricks,
    http_tricks,
    text_tricks,
    tls_tricks,
    websocket_tricks,
)
from tests.hostile.tricks import Trick
from tocsin.domain.targets import KINDS

_ALL: Final = (
    *http_tricks.TRICKS,
    *http2_tricks.TRICKS,
    *tls_tricks.TRICKS,
    *dns_tricks.TRICKS,
    *text_tricks.TRICKS,
    *database_tricks.TRICKS,
    *websocket_tricks.TRICKS,
    *broker_tricks.TRICKS,
    *assertion_tricks.TRICKS,
)
TRICKS: Final[tuple[Trick, ...]] = tuple(trick for trick in _ALL if trick.kind in KINDS)
